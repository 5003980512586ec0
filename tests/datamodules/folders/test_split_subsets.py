"""Folders named like subsets of splits (`train-clean-100`, `dev_other`) are splits or refused, never silent classes."""

from collections import Counter

import pytest

from datamodules.corpora.layouts import corpus_rows
from datamodules.folders.class_folders import find_classes
from datamodules.folders.sound_folders import SoundFolderError
from datamodules.folders.split_names import likely_subsets, split_of_subset, usual_split
from datamodules.inspection.inspected_rows import rows_of_folder
from tests.helpers.named_files import files, found


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *[(name, "train") for name in ("train-clean-100", "train_1", "Train Other 500", "train2", "clean_train")],
        *[(name, "train") for name in ("unbalanced_train_segments", "TrainClean", "train horn", "freight-train")],
        *[(name, "val") for name in ("dev-clean", "dev_other", "valid.2", "vox1_dev_wav", "FSD50K.dev_audio")],
        *[(name, "test") for name in ("test-other", "TEST_NOISY", "eval_segments", "test1", "my-test")],
        *[(name, None) for name in ("train", "dev_set", "trained", "contest", "blues", "devil-may-care", "100")],
    ],
)
def test_names_of_subsets(name, split):
    assert split_of_subset(name) == split


def test_only_the_names_next_to_it_tell_a_subset_from_a_class():
    assert likely_subsets(["train_horn", "dog", "cat"]) == []
    assert likely_subsets(["crash test", "dog"]) == []
    assert likely_subsets(["train-clean-100", "extra"]) == ["train-clean-100"]
    assert likely_subsets(["dev-x", "train-x", "notes"]) == ["dev-x", "train-x"]
    assert likely_subsets(["dev-x", "train", "notes"]) == ["dev-x"]


@pytest.mark.parametrize(
    "parts",
    [
        ("train-clean-100", "train-other-500", "dev-clean", "dev-other", "test-other"),
        ("train_1", "train_2"),
        ("Train_Noisy", "test-noisy"),
        ("clean_train", "clean_dev"),
        ("train", "dev-clean", "dev-other"),
        ("vox1_dev_wav", "vox1_test_wav"),
        ("train1", "train2", "eval1"),
    ],
)
def test_subsets_above_classes_and_below_them_are_joined(tmp_path, parts):
    above = files(tmp_path / "above", *(f"{part}/{label}/1.wav" for part in parts for label in ("ann", "bob")))
    below = files(tmp_path / "below", *(f"{label}/{part}/1.wav" for part in parts for label in ("ann", "bob")))
    splits = Counter(usual_split(part) or split_of_subset(part) for part in parts)
    expected = {(split, label): num for split, num in splits.items() for label in ("ann", "bob")}
    assert found(above) == found(below) == expected
    assert find_classes(above).has_splits
    assert {(row.split, *row.labels["folder"]) for row in rows_of_folder(above)} == set(expected)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("train-clean-100/1.wav", "dev-clean/1.wav"), "dev-clean has no folders; expected one per class, as"),
        (("train-a/s/1.wav", "test-a/1.wav"), "'train-a' name splits, but 'test-a' next to them do not, or have no"),
        (("train-clean/s/1.wav", "extra/s/1.wav"), "'train-clean' seem to be parts of splits, but 'extra' next to"),
        (("train_a/s/1.wav", "dev_a/s/1.wav", "notes/s/1.wav"), "'dev_a', 'train_a' seem to be parts of splits"),
        (("dog/1.wav", "test_2/1.wav"), "'test_2' seem to be parts of splits, but 'dog'"),
        (("train_1/s/1.wav", "train/s/1.wav"), "'train' and 'train_1' are both usual names of the split 'train'"),
        (("dev-clean/s/1.wav", "val-clean/s/1.wav"), "'dev-clean' and 'val-clean' are both usual names"),
        (("train-1/s/1.wav", "test-1/notes.txt"), "test-1 has no sounds, although it names a split"),
        (("Libri/train-clean-100/s/1.wav", "Libri/train-other-500/s/1.wav"), "folders of splits are in .*Libri; give"),
        (("a/b/dev-1/1.wav", "a/b/test-1/1.wav", "c/1.wav"), "a/b: 'dev-1', 'test-1' name splits; expected such"),
    ],
)
def test_what_could_be_either_is_refused(tmp_path, names, message):
    with pytest.raises(SoundFolderError, match=message):
        find_classes(files(tmp_path, *names))


def test_classes_that_could_name_splits_are_said(tmp_path, caplog):
    sounds = found(files(tmp_path, "train_horn/1.wav", "dog/1.wav", "crash train/2.wav"))
    assert sounds == {("train", label): 1 for label in ("train_horn", "dog", "crash train")}
    (line,) = caplog.messages
    assert "'crash train', 'train_horn' could name splits, and are taken for classes" in line


def test_librispeech_takes_the_split_of_its_folders(tmp_path):
    folders = {"train-clean-100": "train", "dev-other": "val", "test-clean": "test"}
    files(tmp_path, *(f"LibriSpeech/{name}/84/12/84-12-0000.flac" for name in folders), "9/9-1-0001.flac")
    rows = {row["path"]: row["split"] for row in corpus_rows(tmp_path, layout="librispeech")}
    root = tmp_path.resolve()
    expected = {str(root / f"LibriSpeech/{name}/84/12/84-12-0000.flac"): split for name, split in folders.items()}
    assert rows == expected | {str(root / "9/9-1-0001.flac"): "train"}
