"""Recordings in archives made to do harm: nothing is written or run, memory stays bounded."""

import io
import json
import zipfile

import numpy as np
import pytest
import soundfile

from datamodules.audio import AudioError
from evaluate.benchmarks import BenchmarkError, load_benchmark
from evaluate.benchmarks.recordings import containers
from evaluate.benchmarks.recordings.npy_files import read_npy, read_npy_bytes

NAMES = ("a", "b", "c")


def npy(array) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def sound() -> bytes:
    content = io.BytesIO()
    soundfile.write(content, 0.1 * np.random.default_rng(0).standard_normal(4000), 8000, format="WAV")
    return content.getvalue()


def files() -> dict[str, bytes]:
    return {
        "benchmark.json": json.dumps({"name": "mine"}).encode(),
        "stimuli.csv": "\n".join(("name", *NAMES)).encode(),
        "units.csv": b"unit,subject,region\nu0,s0,A\nu1,s1,A\n",
        "responses.npy": npy(np.random.default_rng(0).standard_normal((3, 2, 2))),
        **{f"stimuli/{name}.wav": sound() for name in NAMES},
    }


def archive(path, content):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in content.items():
            archive.writestr(name, value)
    return path


@pytest.fixture
def everything(tmp_path):
    """All files below the folder of the test."""
    return lambda: {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}


CLIMBING = ("../out.txt", "/nowhere/out.txt", "stimuli/../../out.txt", "C:\\out.txt", "..\\out")


@pytest.mark.parametrize("name", CLIMBING)
def test_members_that_climb_out_are_not_written(tmp_path, everything, name):
    (tmp_path / "deep").mkdir()
    path = archive(tmp_path / "deep" / "a.zip", files() | {name: b"x"})
    before = everything()
    assert load_benchmark(str(path)).name == "mine"
    assert everything() == before


def test_a_link_in_an_archive_is_not_followed(tmp_path):
    (tmp_path / "secret.wav").write_bytes(sound())
    content = files()
    content.pop("stimuli/a.wav")
    path = archive(tmp_path / "a.zip", content)
    link = zipfile.ZipInfo("stimuli/a.wav")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archived:
        archived.writestr(link, str(tmp_path / "secret.wav"))
    benchmark = load_benchmark(str(path))
    with pytest.raises(AudioError, match=r"a\.wav: cannot be read as audio"):
        benchmark.stimuli(8000, 4000)


@pytest.mark.parametrize("name", ["responses.npy", "benchmark.json", "stimuli.csv", "units.csv"])
def test_members_that_expand_without_end_are_not_read(tmp_path, monkeypatch, name):
    monkeypatch.setattr(containers, "FREE_BYTES", 1 << 20)
    path = archive(tmp_path / "a.zip", files() | {name: bytes(3_000_000)})
    with pytest.raises(BenchmarkError, match=r"would expand from 0\.0 MB to 3\.0 MB, more than 1 MiB and 200 times"):
        load_benchmark(str(path))


def test_a_bomb_within_responses_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "FREE_BYTES", 1 << 20)
    inner = archive(tmp_path / "responses.npz", {"responses.npy": bytes(3_000_000)}).read_bytes()
    content = files() | {"responses.npz": inner}
    content.pop("responses.npy")
    with pytest.raises(BenchmarkError, match="would expand"):
        load_benchmark(str(archive(tmp_path / "a.zip", content)))


def test_a_lie_about_the_size_is_an_error(tmp_path):
    path = archive(tmp_path / "a.zip", files() | {"units.csv": bytes(100_000)})
    content = path.read_bytes()
    path.write_bytes(content.replace((100_000).to_bytes(4, "little"), (50).to_bytes(4, "little")))
    with pytest.raises(BenchmarkError, match=r"units\.csv"):
        load_benchmark(str(path))


@pytest.mark.parametrize("shape", ["(1000000000000, 1000, 1000)", "(10000000000000000000,)", "(-5,)"])
def test_arrays_that_claim_to_be_gigantic_are_one_line(tmp_path, shape):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(16)
    with pytest.raises(BenchmarkError, match="cut short or not a NumPy file"):
        read_npy_bytes(content, "a.npy")
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(BenchmarkError, match="cut short or not a NumPy file"):
        read_npy(tmp_path / "a.npy")


class RunsCode:
    def __reduce__(self):
        return open, ("pwned", "w")


def test_pickled_arrays_are_not_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = io.BytesIO()
    np.save(content, np.array([RunsCode()], dtype=object), allow_pickle=True)
    path = archive(tmp_path / "a.zip", files() | {"responses.npy": content.getvalue()})
    with pytest.raises(BenchmarkError, match="holds pickled Python objects"):
        load_benchmark(str(path))
    assert not (tmp_path / "pwned").exists()
