"""The published HDF5 layout, read as it is and converted."""

import pickle
import shutil
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context

import numpy as np
import pytest

from datamodules.__main__ import main
from datamodules.audio import AudioError
from datamodules.data_module import AuditoryDataModule
from datamodules.shards.clip_sources import open_clips
from datamodules.shards.hdf5_clips import Hdf5Clips
from datamodules.shards.published_hdf5 import PublishedFiles
from datamodules.shards.reader import ShardError, ShardSet

h5py = pytest.importorskip("h5py", reason="HDF5 files need the extra 'hdf5'")

RATE_HZ = 4000
NUM_SAMPLES = 1200
NUM_ROWS = 9
NUM_LABELS = 6


def write_file(path, seed, *, dtype=np.float32, rate=RATE_HZ):
    """Rows of which one has no signal and one no noise."""
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    sounds = 0.1 * rng.standard_normal((2, NUM_ROWS, NUM_SAMPLES))
    words, speakers = rng.integers(1, 5, NUM_ROWS), rng.integers(1, 4, NUM_ROWS)
    binary = rng.random((NUM_ROWS, NUM_LABELS)) < 0.4
    binary[:, 0], binary[:, 1] = False, True
    words[3] = speakers[3] = 0
    sounds[0, 3] = 0.0
    binary[5], binary[5, 0] = False, True
    sounds[1, 5] = 0.0
    with h5py.File(path, "w") as file:
        for side, samples in zip(("signal", "noise"), sounds, strict=True):
            scaled = np.rint(samples * 32768) if dtype == np.int16 else samples
            file[f"sources/{side}/signal"] = scaled.astype(dtype)
        file["sources/signal/word_int"] = words
        file["sources/signal/speaker_int"] = speakers
        file["sources/noise/labels_binary_via_int"] = binary.astype(np.int64)
        if rate:
            file.attrs["sample_rate_hz"] = rate
    return path


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jsin")
    for number, part in enumerate(("train_AAA", "train_AAA", "train_BBB", "valid_CCC")):
        write_file(folder / part / f"JSIN_all__run_{number:03d}_{part[-3:]}.h5", number)
    return folder


@pytest.fixture(scope="module")
def shards(tree, tmp_path_factory):
    out = tmp_path_factory.mktemp("converted")
    arguments = ["hdf5", str(tree), str(out), "--sample_rate_hz", str(RATE_HZ), "--num_workers", "1"]
    assert main([*arguments, "--clips_per_shard", "10"]) == 0
    return out


@pytest.mark.parametrize("side", ["signal", "noise"])
@pytest.mark.parametrize("split", ["train", "val"])
def test_direct_reading_and_conversion_give_the_same_clips(tree, shards, side, split):
    direct, converted = open_clips(tree, split, side=side), open_clips(shards / side, split, side=side)
    assert isinstance(direct, Hdf5Clips)
    assert isinstance(converted, ShardSet)
    assert len(direct) == len(converted) == (24 if split == "train" else 8)
    assert direct.sample_rate_hz == converted.sample_rate_hz
    assert direct.label_sets == converted.label_sets
    for i in range(len(direct)):
        one, other = direct.read(i), converted.read(i)
        assert (one.key, one.midpoint, one.labels) == (other.key, other.midpoint, other.labels)
        np.testing.assert_allclose(one.waveform, other.waveform, atol=0.51 / 32767)
        assert direct.labels(i) == one.labels
        assert direct.key(i) == one.key


def test_rows_are_those_of_the_files(tree):
    clips = Hdf5Clips(tree, "val", side="signal")
    with h5py.File(next(tree.glob("valid_*/*.h5")), locking=False) as file:
        rows = [row for row in range(NUM_ROWS) if row != 3]
        for i, row in enumerate(rows):
            clip = clips.read(i)
            np.testing.assert_array_equal(clip.waveform, file["sources/signal/signal"][row])
            assert clip.labels["word"] == file["sources/signal/word_int"][row]
            assert clip.labels["speaker"] == file["sources/signal/speaker_int"][row]
    assert clips.label_sets["word"].labels == ("<null>", "1", "2", "3", "4")


def test_batches_are_the_same(tree, shards):
    settings = {"tasks": ["word", "speaker", "audioset"], "batch_size": 4, "num_workers": 0, "duration_s": 0.25}
    modules = [
        AuditoryDataModule(signal=str(signal), noise=str(noise), sample_rate_hz=RATE_HZ, **settings)
        for signal, noise in ((tree, tree), (shards / "signal", shards / "noise"))
    ]
    assert modules[0].num_classes == modules[1].num_classes == {"word": 5, "speaker": 4, "audioset": 6}
    for loaders in zip(*((module.train_dataloader(), *module.val_dataloader()) for module in modules), strict=True):
        for direct, converted in zip(*loaders, strict=True):
            np.testing.assert_allclose(direct["waveform"], converted["waveform"], atol=2e-4)
            assert (direct["snr_db"] == converted["snr_db"]).all()
            for name, targets in direct["targets"].items():
                assert (targets == converted["targets"][name]).all()


def read_sum(clips, i):
    return float(clips.read(i).waveform.sum())


def test_reads_alike_in_other_processes(tree):
    clips = Hdf5Clips(tree, "train", side="noise")
    expected = [read_sum(clips, i) for i in range(5)]
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        assert list(pool.map(read_sum, [clips] * 5, range(5))) == expected
    assert read_sum(pickle.loads(pickle.dumps(clips)), 0) == expected[0]


def test_integers_and_names_of_classes(tmp_path):
    for split in ("train", "valid"):
        write_file(tmp_path / f"{split}_A" / "JSIN_all__run_000_A.h5", 0, dtype=np.int16, rate=None)
    (tmp_path / "word_labels.txt").write_text("<null>\nalso\nbird\ncome\ndark\n")
    clips = Hdf5Clips(tmp_path, "train", side="signal")
    assert clips.sample_rate_hz == 20_000
    assert clips.label_sets["word"].labels[1] == "also"
    assert 0.05 < clips.read(0).waveform.std() < 0.15
    (tmp_path / "audioset_labels.txt").write_text("<null>\na\nb\n")
    with pytest.raises(ShardError, match=r"audioset_labels\.txt: has 3 labels with the null class, the files 6"):
        Hdf5Clips(tmp_path, "train", side="noise")


def test_what_is_wrong_is_named(tree, tmp_path, capsys):
    with pytest.raises(ShardError, match=r"no files for the split 'test'"):
        open_clips(tree, "test", side="signal")
    path = write_file(tmp_path / "train_A" / "JSIN_all__run_000_A.h5", 0)
    with h5py.File(path, "a") as file:
        file["sources/signal/signal"][2, 7] = np.nan
    clips = Hdf5Clips(tmp_path, "train", side="signal")
    with pytest.raises(ShardError, match=r"clip 'train-00000-0000002': .*sources/signal/signal, row 2: .*not finite"):
        clips.read(2)
    with pytest.raises(IndexError, match="there is no clip 8"):
        clips.read(8)
    assert main(["hdf5", str(tmp_path), str(tmp_path / "out"), "--skip_bad", "false", "--num_workers", "1"]) == 2
    assert "row 2: has samples that are not finite" in " ".join(capsys.readouterr().err.split())
    path.unlink()
    path.write_bytes(b"no HDF5")
    with pytest.raises(ShardError, match="cannot be read as HDF5"):
        open_clips(tmp_path, "train", side="signal")


def test_links_to_other_files_are_not_followed(tree, tmp_path):
    source = next(tree.glob("valid_*/*.h5"))
    path = write_file(tmp_path / "train_A" / "JSIN_all__run_000_A.h5", 0)
    with h5py.File(path, "a") as file:
        del file["sources/noise/signal"]
        file["sources/noise/signal"] = h5py.ExternalLink(str(source), "sources/noise/signal")
    with pytest.raises(ShardError, match="'sources/noise/signal' is a link to elsewhere, which is not followed"):
        open_clips(tmp_path, "train", side="noise")
    with h5py.File(path, "a") as file:
        del file["sources/noise/signal"]
        layout = h5py.VirtualLayout((NUM_ROWS, NUM_SAMPLES), np.float32)
        layout[:] = h5py.VirtualSource(str(source), "sources/noise/signal", (NUM_ROWS, NUM_SAMPLES))
        file.create_virtual_dataset("sources/noise/signal", layout)
    with pytest.raises(ShardError, match="keeps its data in other files"):
        open_clips(tmp_path, "train", side="noise")


def change(path, name, **settings):
    """Replace a dataset by another, which may claim any shape without holding a value."""
    with h5py.File(path, "a") as file:
        del file[name]
        file.create_dataset(name, **settings)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (
            "word_int",
            {"shape": (2**40,), "dtype": "i8", "chunks": (1024,)},
            "word_int: cannot be read: it",
        ),
        ("word_int", {"data": np.full(NUM_ROWS, 2**62)}, "must be integers below 1000000, got int64"),
        ("word_int", {"data": np.full(NUM_ROWS, np.nan)}, "must be integers below 1000000, got float64"),
        (
            "signal",
            {"shape": (NUM_ROWS, 2**40), "dtype": "f4", "chunks": (1, 1024)},
            "signal: cannot be read: it",
        ),
        ("signal", {"shape": (9, 9), "dtype": "f4", "chunks": (9, 2**26), "maxshape": (9, None)}, "it would expand"),
    ],
)
def test_files_that_claim_more_than_they_hold_are_refused(tmp_path, name, settings, message):
    path = write_file(tmp_path / "train_A" / "JSIN_all__run_0.h5", 0)
    change(path, f"sources/signal/{name}", **settings)
    with pytest.raises(ShardError, match=message):
        Hdf5Clips(tmp_path, "train", side="signal").read(0)


@pytest.mark.parametrize("rate", [10**12, -1, "fast", [20000, 20000], 20000.5])
def test_rates_that_are_none_are_refused(tmp_path, rate):
    write_file(tmp_path / "train_A" / "JSIN_all__run_0.h5", 0, rate=rate)
    with pytest.raises(ShardError, match="sample_rate_hz must be an integer up to 768000, got"):
        Hdf5Clips(tmp_path, "train", side="signal")


def test_wide_labels_are_refused(tmp_path):
    path = write_file(tmp_path / "train_A" / "JSIN_all__run_0.h5", 0)
    change(path, "sources/noise/labels_binary_via_int", shape=(NUM_ROWS, 2**40), dtype="i8", chunks=(1, 1024))
    with pytest.raises(ShardError, match="must be rows of equal width, at most 1000000"):
        Hdf5Clips(tmp_path, "train", side="noise")


def test_tables_of_the_user_are_not_replaced_by_manifests(tree, tmp_path, capsys):
    (tmp_path / "out" / "manifests").mkdir(parents=True)
    (tmp_path / "out" / "manifests" / "signal_word.txt").write_text("mine")
    arguments = ["hdf5", str(tree), str(tmp_path / "out"), "--sample_rate_hz", str(RATE_HZ), "--num_workers", "1"]
    assert main(arguments) == 2
    assert "signal_word.txt: exists and is not from an earlier call" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out" / "manifests").iterdir()] == ["signal_word.txt"]


def test_other_files_are_reported(tree, tmp_path, capsys):
    shutil.copytree(tree, tmp_path / "tree")
    (tmp_path / "tree" / "valid_CCC" / "more.h5").touch()
    (tmp_path / "tree" / "a.wav").touch()
    arguments = ["hdf5", str(tmp_path / "tree"), str(tmp_path / "out"), "--sample_rate_hz", str(RATE_HZ)]
    assert main([*arguments, "--num_workers", "1"]) == 0
    assert "2 that the layout does not use: a.wav, valid_CCC/more.h5" in capsys.readouterr().out


def test_a_folder_without_the_files_is_one_line(tmp_path, capsys):
    assert main(["hdf5", str(tmp_path), str(tmp_path / "out")]) == 2
    assert "no files; expected train_*/JSIN_all__run_*.h5, valid_*/" in " ".join(capsys.readouterr().err.split())


def test_damaged_files_are_named(tree, tmp_path):
    content = next(tree.glob("valid_*/*.h5")).read_bytes()
    damaged, kinds = tmp_path / "valid_A" / "JSIN_all__run_0.h5", set()
    damaged.parent.mkdir()
    for place in range(8, 3000, 97):
        damaged.write_bytes(content[:place] + b"\xff" * 8 + content[place + 8 :])
        with suppress(AudioError):
            PublishedFiles(tmp_path).label_sets("signal")
            PublishedFiles(tmp_path).label_sets("noise")
            continue
        kinds.add(place)
    assert len(kinds) > 3
