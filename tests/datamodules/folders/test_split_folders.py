"""Usual names of splits are splits wherever folders or a column name them, or are refused; they are never classes."""

import json

import pytest

from datamodules.__main__ import main
from datamodules.building.build import build_shards
from datamodules.folders.class_folders import find_classes
from datamodules.folders.sound_folders import SoundFolderError
from datamodules.folders.split_names import SplitNameError, usual_split, usual_splits
from datamodules.manifests.manifest import ManifestError
from tests.helpers.named_files import files, found


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *[(name, "train") for name in ("train", "Train", "TRAINING", "train_set", "training data", "trn")],
        *[(name, "val") for name in ("val", "Valid", "validation", "DEV", "development", "val_split")],
        *[(name, "test") for name in ("test", "testing", "Eval", "evaluation", "testset", "TST")],
        *[(name, None) for name in ("trains", "devil", "evaluated", "set", "audio", "blues", "tests")],
    ],
)
def test_usual_names(name, split):
    assert usual_split(name) == split


def test_two_names_of_one_split_are_refused():
    assert usual_splits(["Train", "extra"]) == {"Train": "train", "extra": "extra"}
    with pytest.raises(SplitNameError, match="'dev' and 'val' are both usual names of the split 'val'"):
        usual_splits(["train", "val", "dev"])


@pytest.mark.parametrize(
    "parts",
    [
        ("train", "valid"),
        ("Train", "Validation", "Test"),
        ("training", "dev", "eval"),
        ("TRAIN", "TESTING"),
        ("dev", "eval"),
    ],
)
def test_splits_above_classes_and_below_them(tmp_path, parts):
    above = files(tmp_path / "above", *(f"{part}/{label}/1.wav" for part in parts for label in ("cat", "dog")))
    below = files(tmp_path / "below", *(f"{label}/{part}/1.wav" for part in parts for label in ("cat", "dog")))
    expected = {(usual_split(part), label): 1 for part in parts for label in ("cat", "dog")}
    assert found(above) == found(below) == expected
    assert find_classes(above).has_splits
    assert find_classes(below).has_splits


def test_a_train_is_a_class_of_sounds_too(tmp_path):
    assert found(files(tmp_path / "esc", "train/1.wav", "dog/1.wav")) == {("train", "train"): 1, ("train", "dog"): 1}
    vehicles = files(
        tmp_path / "vehicles", "train/train/1.wav", "train/car/1.wav", "test/train/2.wav", "test/car/2.wav"
    )
    assert found(vehicles) == {(split, label): 1 for split in ("train", "test") for label in ("train", "car")}


def test_a_single_folder_within_a_class_is_no_split(tmp_path):
    music = files(tmp_path, "rock/Train/album/1.mp3", "rock/other band/1.mp3", "pop/x/2.mp3")
    assert found(music) == {("train", "rock"): 2, ("train", "pop"): 1}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("train/a/1.wav", "val/a/1.wav", "docs/a/1.wav"), "'train', 'val' name splits, but 'docs' next to them"),
        (("train/a/1.wav", "extra/1.wav"), "'train' name splits, but 'extra' next to them"),
        (("train/a/1.wav", "test/1.wav"), "'train' name splits, but 'test' next to them do not, or have no folders"),
        (("val/a/1.wav", "dev/a/1.wav"), "'dev' and 'val' are both usual names of the split 'val'"),
        (("train/a/1.wav", "test/notes.txt"), "test has no sounds, although it names a split"),
        (("train/1.wav", "test/1.wav"), "has no folders; expected one per class, as 'test' names a split"),
        (("cat/1.wav", "train/1.wav", "test/1.wav"), "'test', 'train' name splits, but have no folders of classes"),
        (("cat/1.wav", "Eval/1.wav"), "'Eval' name splits, but have no folders of classes"),
        (("data/train/a/1.wav", "data/test/a/1.wav"), "the folders of splits are in .*data; give that folder"),
        (
            ("cat/train/1.wav", "cat/test/1.wav", "dog/1.wav"),
            "cat: 'test', 'train' name splits; expected such",
        ),
        (("a/b/dev/1.wav", "a/b/eval/1.wav", "c/1.wav"), "a/b: 'dev', 'eval' name splits"),
    ],
)
def test_what_could_be_either_is_refused(tmp_path, names, message):
    with pytest.raises(SoundFolderError, match=message):
        find_classes(files(tmp_path, *names))


def test_folders_without_sounds_next_to_splits_do_not_matter(tmp_path):
    assert found(files(tmp_path, "train/a/1.wav", "docs/readme.txt", ".git/a/1.wav")) == {("train", "a"): 1}


def test_the_genres_command_keeps_splits_apart(tmp_path, make_sound):
    for k, part in enumerate(("Training", "validation")):
        for genre in ("blues", "jazz"):
            make_sound(tmp_path / "g" / part / genre / "1.wav", seed=10 * k + len(genre))
    arguments = ["genres", str(tmp_path / "g"), str(tmp_path / "out"), "--sample_rate_hz", "4000", "--num_workers", "1"]
    assert main(arguments) == 0
    for split in ("train", "val"):
        labels = json.loads((tmp_path / "out" / split / "index.json").read_text())["label_sets"]["genre"]
        assert dict(zip(labels["labels"], labels["num_clips"], strict=True)) == {"<null>": 0, "blues": 1, "jazz": 1}


@pytest.mark.parametrize("given", [("Train", "Validation"), ("training", "dev"), ("train", "valid")])
def test_a_column_names_splits(tmp_path, make_sound, make_manifest, given):
    rows = [{"path": f"{i}.wav", "word": "ab"[i % 2], "split": given[i > 3]} for i in range(6)]
    for i in range(6):
        make_sound(tmp_path / f"{i}.wav", seed=i)
    report = build_shards(
        make_manifest(tmp_path / "m.csv", rows),
        tmp_path / "out",
        one_label=["word"],
        sample_rate_hz=4000,
        num_workers=1,
        progress=False,
        picture=False,
    )
    assert {split: len(shards) for split, shards in report.shard_sets.items()} == {"train": 4, "val": 2}


def test_a_column_with_two_names_of_one_split_is_refused(tmp_path, make_sound, make_manifest):
    make_sound(tmp_path / "0.wav", seed=0)
    rows = [{"path": "0.wav", "word": "a", "key": name, "split": name} for name in ("train", "val", "valid")]
    with pytest.raises(ManifestError, match=r"m\.csv, column 'split': 'val' and 'valid' are both"):
        build_shards(make_manifest(tmp_path / "m.csv", rows), tmp_path / "out", one_label=["word"], progress=False)
