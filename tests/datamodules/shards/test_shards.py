import contextlib
import hashlib
import io
import json
import os
import pickle
import shutil
import tarfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import soundfile
import webdataset

from datamodules.__main__ import main
from datamodules.shards.reader import ShardError, ShardSet
from datamodules.shards.undecoded import UndecodedWaveform
from datamodules.shards.verify import damages
from datamodules.shards.writer import NewClip, encode_flac, write_index, write_shard
from datamodules.tasks import LabelSet

RATE_HZ = 8000
LABEL_SETS = {
    "word": LabelSet("one_label", ("<null>", "a", "b")),
    "tags": LabelSet("many_labels", ("x", "y", "<null>", "z")),
}


def clip(i: int, num_samples: int = 500, level: float = 0.1) -> NewClip:
    waveform = (level * np.random.default_rng(i).standard_normal(num_samples)).astype(np.float32)
    labels = {"word": ("a" if i % 2 else "b",), "tags": (("z", "x"), ("y",), ("z",))[i % 3]}
    return NewClip(f"clip-{i}", waveform, midpoint=10 * i, labels=labels, source=f"{i}.wav")


@pytest.fixture
def folder(tmp_path):
    """Seven clips in three shards; the last is loud."""
    out = tmp_path / "set"
    out.mkdir()
    clips = [clip(i, 500 + i) for i in range(6)] + [clip(6, 300, level=3.0)]
    parts = [clips[:3], clips[3:6], clips[6:]]
    shards = [write_shard(out / f"shard-{n:06d}.tar", part, sample_rate_hz=RATE_HZ) for n, part in enumerate(parts)]
    write_index(out, shards, label_sets=LABEL_SETS, sample_rate_hz=RATE_HZ)
    return out


def edit_index(folder, change):
    path = folder / "index.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_round_trip(folder):
    shards = ShardSet(folder)
    assert (len(shards), shards.sample_rate_hz, shards.label_sets) == (7, RATE_HZ, LABEL_SETS)
    for i in range(7):
        written = clip(i, 500 + i) if i < 6 else clip(6, 300, level=3.0)
        read = shards.read(i)
        loud = max(1.0, np.abs(written.waveform).max())
        np.testing.assert_allclose(read.waveform, written.waveform, atol=0.51 / 32767 * loud)
        assert read.waveform.dtype == np.float32
        assert (read.key, read.midpoint) == (f"clip-{i}", 10 * i)
        assert read.labels == {"word": 1 if i % 2 else 2, "tags": ((0, 3), (1,), (3,))[i % 3]}
        assert (shards.key(i), shards.num_samples(i)) == (read.key, len(read.waveform))
    words, tags = shards.label_numbers("word"), shards.label_numbers("tags")
    assert (words.numbers.tolist(), words.clips.tolist()) == ([2, 1, 2, 1, 2, 1, 2], list(range(7)))
    assert (tags.numbers.tolist(), tags.clips.tolist()) == (
        [0, 3, 1, 3, 0, 3, 1, 3, 0, 3],
        [0, 0, 1, 2, 3, 3, 4, 5, 6, 6],
    )
    with pytest.raises(IndexError, match="there is no clip 7"):
        shards.read(7)
    with pytest.raises(IndexError):
        shards.read(-1)
    assert list(damages(shards.folder)) == []


def test_stretches_are_those_of_the_whole_sound(tmp_path):
    """Of clips as long as several frames of FLAC, one of them louder than 1; what is not taken is not decoded."""
    out = tmp_path / "long"
    out.mkdir()
    clips = [clip(0, 30_000), clip(1, 12_345, level=3.0)]
    write_index(
        out,
        [write_shard(out / "shard-000000.tar", clips, sample_rate_hz=RATE_HZ)],
        label_sets=LABEL_SETS,
        sample_rate_hz=RATE_HZ,
    )
    shards = ShardSet(out)
    rng = np.random.default_rng(0)
    for i, num_samples in enumerate((30_000, 12_345)):
        whole, part = shards.read(i).waveform, shards.read(i, whole=False)
        assert (len(part.waveform), part.waveform.dtype) == (num_samples, np.float32)
        assert part[2:] == shards.read(i)[2:]
        for _ in range(20):
            first, stop = np.sort(rng.integers(0, num_samples, 2, endpoint=True))
            taken = shards.read(i, whole=False).waveform[first:stop]
            assert taken.dtype == np.float32
            np.testing.assert_array_equal(taken, whole[first:stop])
            np.testing.assert_array_equal(part.waveform[first:stop], whole[first:stop])
        np.testing.assert_array_equal(shards.read(i, whole=False).waveform[-5:], whole[-5:])
        np.testing.assert_array_equal(np.roll(part.waveform, 3), np.roll(whole, 3))
    decoded = []
    waveform = UndecodedWaveform(100, lambda first, num: decoded.append((first, num)) or np.zeros(num, np.float32))
    assert (len(waveform[10:30]), len(waveform[30:30])) == (20, 0)
    assert [len(waveform[5:90]), len(waveform[20:30]), len(waveform[0:100])] == [85, 10, 100]
    assert decoded == [(10, 20), (0, 100)]
    with pytest.raises(ValueError, match="the step 1, got 2"):
        waveform[::2]


def test_damaged_stretches_are_named(tmp_path):
    out = tmp_path / "long"
    out.mkdir()
    shard = write_shard(out / "shard-000000.tar", [clip(0, 30_000)], sample_rate_hz=RATE_HZ)
    write_index(out, [shard], label_sets=LABEL_SETS, sample_rate_hz=RATE_HZ)
    member = ShardSet(out)._member(0)
    content = (out / "shard-000000.tar").read_bytes()
    start = content.index(member)
    middle = start + len(member) // 2
    (out / "shard-000000.tar").write_bytes(
        content[:middle] + bytes(len(member) // 4) + content[middle + len(member) // 4 :]
    )
    clip_read = ShardSet(out).read(0, whole=False)
    with pytest.raises(ShardError, match=r"shard-000000\.tar, clip 'clip-0': its sound"):
        clip_read.waveform[16_000:20_000]


def test_index_counts_and_checksums(folder):
    content = json.loads((folder / "index.json").read_text())
    assert content["num_clips"] == 7
    assert content["label_sets"]["word"]["num_clips"] == [0, 3, 4]
    assert content["label_sets"]["tags"]["num_clips"] == [3, 2, 0, 5]
    assert content["duration_s"] == pytest.approx((6 * 500 + 15 + 300) / RATE_HZ)
    for shard in content["shards"]:
        data = (folder / shard["file"]).read_bytes()
        assert (shard["num_bytes"], shard["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())


def test_writing_twice_gives_the_same_bytes(folder, tmp_path):
    write_shard(tmp_path / "again.tar", [clip(i, 500 + i) for i in range(3)], sample_rate_hz=RATE_HZ)
    assert (tmp_path / "again.tar").read_bytes() == (folder / "shard-000000.tar").read_bytes()


@pytest.mark.parametrize("peak", [0.5, 1.0, 1.00001, 40.0])
def test_flac_does_not_clip(peak):
    x = np.linspace(-peak, peak, 1001)
    data, gain = encode_flac(x, RATE_HZ)
    decoded, sample_rate_hz = soundfile.read(io.BytesIO(data))
    assert sample_rate_hz == RATE_HZ
    assert (gain == 1.0) == (peak < 1.0)
    np.testing.assert_allclose(decoded / gain, x, atol=0.5001 / 32768 / gain)


def test_webdataset_streams_the_shards(folder):
    urls = [str(folder / f"shard-{n:06d}.tar") for n in range(3)]
    stream = webdataset.WebDataset(urls, shardshuffle=False).to_tuple("__key__", "flac", "json")
    shards = ShardSet(folder)
    samples = list(stream)
    assert len(samples) == 7
    for i, (key, flac, description) in enumerate(samples):
        decoded, _ = soundfile.read(io.BytesIO(flac), dtype="float32")
        described = json.loads(description)
        np.testing.assert_allclose(decoded / described["gain"], shards.read(i).waveform, rtol=1e-6)
        assert key == shards.key(i)
        assert described["midpoint_s"] == pytest.approx(10 * i / RATE_HZ)
        assert described["labels"]["word"] == ["a" if i % 2 else "b"]
        assert described["source"] == f"{i}.wav"


def read_sum(shards: ShardSet, i: int) -> float:
    return float(shards.read(i).waveform.sum())


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_reads_alike_in_other_processes(folder, method):
    shards = ShardSet(folder)
    expected = [read_sum(shards, i) for i in range(7)]  # opens files, which the other process must not share
    with ProcessPoolExecutor(1, mp_context=get_context(method)) as pool:
        assert list(pool.map(read_sum, [shards] * 7, range(7))) == expected
    assert [read_sum(pickle.loads(pickle.dumps(shards)), i) for i in range(7)] == expected


def open_shards(folder: Path) -> list[str]:
    """Names of the folder's files that this process holds open."""
    paths = []
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the one that listed them is closed by now
            paths.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")))
    return sorted(path.name for path in paths if path.parent == folder)


def open_while_and_after_reading(folder: Path) -> tuple[list[str], list[str]]:
    shards = ShardSet(folder)
    for i in (0, 3, 6, 0, 6, 3, 0):
        shards.read(i)
    during = open_shards(folder)
    del shards
    return during, open_shards(folder)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="this system does not list a process' open files")
def test_few_files_are_open_at_a_time(folder, monkeypatch):
    monkeypatch.setattr("datamodules.shards.reader._MAX_OPEN_FILES", 2)
    # In a process of its own, where nothing else opens or closes files.
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        during, after = pool.submit(open_while_and_after_reading, folder).result()
    assert during == ["shard-000000.tar", "shard-000001.tar"]
    assert not after


def test_opening_names_what_is_wrong(folder, tmp_path):
    with pytest.raises(ShardError, match=r"no shard set here \(index\.json is missing\)"):
        ShardSet(tmp_path)
    whole = (folder / "shard-000001.tar").read_bytes()
    (folder / "shard-000001.tar").write_bytes(whole[:-512])
    with pytest.raises(ShardError, match=r"shard-000001\.tar: has \d+ bytes, the index says"):
        ShardSet(folder)
    (folder / "shard-000001.tar").unlink()
    with pytest.raises(ShardError, match=r"shard-000001\.tar: missing"):
        ShardSet(folder)
    (folder / "shard-000001.tar").write_bytes(whole)
    table = (folder / "clips.parquet").read_bytes()
    (folder / "clips.parquet").write_bytes(table[:-1] + b"x")
    with pytest.raises(ShardError, match=r"clips\.parquet: does not match the checksum"):
        ShardSet(folder)
    (folder / "clips.parquet").unlink()
    with pytest.raises(ShardError, match=r"clips\.parquet: missing"):
        ShardSet(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda index: index.update(version=2), "has version 2, this program reads 1"),
        (lambda index: index.update(format="other"), "not the index of a shard set"),
        (lambda index: index.pop("sample_rate_hz"), "damaged .KeyError"),
        (lambda index: index["shards"][0].update(file="../../x.tar"), "'../../x.tar' is not the name of a shard"),
        (lambda index: index["label_sets"]["word"].update(null_label="q"), "damaged .TaskError"),
        (lambda index: index["label_sets"]["word"].update(labels=["<null>", "a"]), "class outside the 2 labels"),
        (lambda index: index.update(num_clips=9), "has 7 clips, index.json 9"),
    ],
)
def test_broken_index(folder, change, message):
    edit_index(folder, change)
    with pytest.raises(ShardError, match=message):
        ShardSet(folder)
    (folder / "index.json").write_text("{")
    with pytest.raises(ShardError, match=r"index\.json cannot be read"):
        ShardSet(folder)


def flip(path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 0xFF
    path.write_bytes(data)


def offsets(path):
    with tarfile.open(path) as archive:
        return {member.name: (member.offset, member.offset_data) for member in archive}


def test_damaged_sound_is_named(folder):
    path = folder / "shard-000001.tar"
    flip(path, offsets(path)["clip-4.flac"][1])
    shards = ShardSet(folder)
    with pytest.raises(ShardError, match=r"shard-000001\.tar, clip 'clip-4': its sound cannot be decoded"):
        shards.read(4)
    found = list(damages(shards.folder))
    assert any("shard-000001.tar: does not match its checksum" in damage for damage in found)
    assert any("'clip-4'" in damage for damage in found)
    assert not any("clip-3" in damage or "shard-000000" in damage for damage in found)


def test_shards_that_were_swapped_are_named(folder):
    path = folder / "shard-000000.tar"
    flip(path, offsets(path)["clip-1.flac"][0])
    with pytest.raises(ShardError, match=r"clip 'clip-1': the shard holds b.* in its place"):
        ShardSet(folder).read(1)
    assert any("broken as a tar file" in damage or "missing" in damage for damage in damages(folder))


def test_other_sample_rate_or_length_is_named(folder, tmp_path):
    edit_index(folder, lambda index: index.update(sample_rate_hz=16000))
    with pytest.raises(ShardError, match=r"clip-0.*500 samples at 8000 Hz, the index says .* 500 samples at 16000"):
        ShardSet(folder).read(0)


def test_verify_compares_descriptions_and_members(folder, tmp_path):
    (other := tmp_path / "other").mkdir()
    renamed = [NewClip(f"clip-{i}", clip(i).waveform, 0, {"word": ("a",), "tags": ("x",)}) for i in range(3)]
    record = write_shard(other / "shard-000000.tar", [*renamed, clip(9)], sample_rate_hz=RATE_HZ)
    shutil.copy(other / "shard-000000.tar", folder)
    edit_index(folder, lambda index: index["shards"][0].update(num_bytes=record.file.num_bytes))
    found = "\n".join(damages(folder))
    assert "clip 'clip-0': described as {'tags': ['x'], 'word': ['a']}, indexed as" in found
    assert "member 'clip-9.flac': not in the index" in found


def test_command_line_check_names_damage_and_fails(folder, capsys):
    assert main(["check", str(folder.parent)]) == 0
    assert capsys.readouterr().out.strip() == f"{folder}: OK"
    flip(folder / "shard-000002.tar", 700)
    assert main(["check", str(folder)]) == 1
    shown = capsys.readouterr().out
    assert "shard-000002.tar: does not match its checksum" in shown
    assert f"{folder}: DAMAGED" in shown
    (folder / "index.json").unlink()
    assert main(["check", str(folder.parent)]) == 1
    assert f"{folder}: no shard set here (index.json is missing)" in capsys.readouterr().out
