"""Recordings in archives made to do harm: nothing is written or run, memory stays bounded."""

import io
import json
import struct
import tracemalloc
import zipfile

import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy.io import savemat

from datamodules import expansion
from datamodules.audio import AudioError
from evaluate.benchmarks import BenchmarkError, load_benchmark
from evaluate.benchmarks.recordings.array_formats import read_responses_array
from evaluate.benchmarks.recordings.csv_files import parse_csv
from evaluate.benchmarks.recordings.loose_parts import array_from_rows
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
    monkeypatch.setattr(expansion, "FREE_BYTES", 1 << 20)
    path = archive(tmp_path / "a.zip", files() | {name: bytes(3_000_000)})
    with pytest.raises(BenchmarkError, match=r"would expand from 0\.0 MB to 3\.0 MB, more than 1 MiB and 200 times"):
        load_benchmark(str(path))


def test_a_bomb_within_responses_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(expansion, "FREE_BYTES", 1 << 20)
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


def header(shape, dtype="<f8", version=1):
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + len(text).to_bytes(2 * version, "little") + text


def hdf5(**settings):
    h5py = pytest.importorskip("h5py")
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.create_dataset("responses", dtype="f8", **settings)
    return content.getvalue()


def matlab(num_values):
    content = io.BytesIO()
    savemat(content, {"responses": np.zeros((num_values, 1))}, do_compression=True)
    return content.getvalue()


def wide_table(num_rows):
    rows = [f"s{number},a,u{number},1.0,{number}" for number in range(num_rows)]
    return "\n".join(("stimulus,subject,unit,response,repetition", *rows)).encode()


CLAIMS = {
    "npy": ("a.npy", lambda: header("(4, 20000000)") + bytes(100), r"its header claims \(4, 20000000\) values"),
    "npy of version 2": ("a.npy", lambda: header("(1000000000000,)", version=2) + bytes(9), "its header claims"),
    "npz": ("a.npz", lambda: zipped(header("(4, 20000000)") + bytes(100)), "its header claims"),
    "texts of an npz": ("a.npz", lambda: zipped(header("(2,)", "<U100000000") + bytes(100)), "is no array of numbers"),
    "bomb in an npz": ("a.npz", lambda: zipped(header("(1000000,)") + bytes(8_000_000)), "would expand"),
    "hdf5 without values": ("a.mat", lambda: hdf5(shape=(4, 20_000_000)), "would expand from 0.0 MB to 640.0 MB"),
    "hdf5 of one chunk": ("a.mat", lambda: hdf5(shape=(4, 2), chunks=(4, 2**26), maxshape=(4, None)), "would expand"),
    "hdf5 of a huge width": ("a.mat", lambda: hdf5(shape=(2, 2**40), chunks=(1, 1024)), "would expand"),
    "matlab": ("a.mat", lambda: matlab(1_000_000), "would expand from 0.0 MB to"),
}


def zipped(content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("responses.npy", content)
    return file.getvalue()


@pytest.mark.parametrize("claim", CLAIMS)
def test_what_a_header_claims_is_compared_with_the_file_before_anything_is_made(claim, monkeypatch):
    monkeypatch.setattr(expansion, "FREE_BYTES", 1 << 20)
    where, make, message = CLAIMS[claim]
    content = make()
    tracemalloc.start()
    try:
        with pytest.raises(BenchmarkError, match=message) as raised:
            read_responses_array(content, where)
        assert tracemalloc.get_traced_memory()[1] < 64_000_000
    finally:
        tracemalloc.stop()
    assert "\n" not in str(raised.value)


def test_a_table_of_few_rows_makes_no_huge_array():
    names = [f"s{number}" for number in range(400)]
    rows = parse_csv(wide_table(400), "r.csv", ("stimulus",), ("stimulus", "subject", "unit", "repetition"))
    units = pd.DataFrame({"subject": "a", "unit": [f"u{number}" for number in range(400)]})
    with pytest.raises(BenchmarkError, match=r"r\.csv: 400 responses for an array of shape \(400, 400, 400\)"):
        array_from_rows(rows, names, units, "r.csv")


def test_an_archive_that_states_less_than_it_holds_is_read_no_further(tmp_path):
    path = archive(tmp_path / "a.zip", files() | {"units.csv": bytes(50_000_000)})
    stated = struct.pack("<I", 50_000_000)
    path.write_bytes(path.read_bytes().replace(stated, struct.pack("<I", 100)))
    tracemalloc.start()
    with pytest.raises(BenchmarkError, match=r"units\.csv cannot be read, the archive is damaged: Bad CRC-32"):
        load_benchmark(str(path))
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
