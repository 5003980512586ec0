import json

import pandas as pd
import pytest

from datamodules.__main__ import main
from datamodules.corpora.genres import make_manifest
from datamodules.corpora.sounds import CorpusError
from datamodules.shards.reader import ShardSet


@pytest.fixture
def genres(tmp_path, make_sound):
    for number, genre in enumerate(("jazz", "hip hop")):
        for i in range(5):
            make_sound(tmp_path / "music" / genre / "disc" / f"{i}.wav", seed=10 * number + i)
    return tmp_path / "music"


def test_classes_are_folders(genres, tmp_path):
    table = pd.read_csv(make_manifest(genres, tmp_path / "m.csv").path)
    assert table["genre"].value_counts().to_dict() == {"jazz": 5, "hip hop": 5}
    assert set(table["split"]) == {"train"}
    for split in ("train", "val"):
        (tmp_path / "given" / split).parent.mkdir(exist_ok=True)
        (tmp_path / "given" / split).symlink_to(genres, target_is_directory=True)
    table = pd.read_csv(make_manifest(tmp_path / "given", tmp_path / "m.csv", column="style").path)
    assert table.groupby("split").size().to_dict() == {"train": 10, "val": 10}
    assert set(table["style"]) == {"jazz", "hip hop"}


def test_command_splits_by_file_unless_splits_are_given(genres, tmp_path):
    settings = ["--sample_rate_hz", "4000", "--num_workers", "1"]
    assert main(["genres", str(genres), str(tmp_path / "out"), "--val_fraction", "0.3", *settings]) == 0
    counts = {split: ShardSet(tmp_path / "out" / split).index.num_clips_per_class for split in ("train", "val")}
    assert counts == {"train": {"genre": (0, 3, 3)}, "val": {"genre": (0, 2, 2)}}  # a share of each class
    assert main(["genres", str(genres), str(tmp_path / "all"), "--split_by", "path", *settings]) == 0
    request = json.loads((tmp_path / "all" / "build.json").read_text())
    assert request["split_rule"] == {"by": "path", "val_fraction": 0.1}  # as before there were strata
    genres.rename(tmp_path / "train")
    (tmp_path / "sorted").mkdir()
    (tmp_path / "train").rename(tmp_path / "sorted" / "train")
    assert main(["genres", str(tmp_path / "sorted"), str(tmp_path / "given"), "--column", "style", *settings]) == 0
    assert ShardSet(tmp_path / "given" / "train").label_sets["style"].labels == ("<null>", "hip hop", "jazz")


def test_an_output_in_the_corpus_is_refused(genres, capsys):
    assert main(["genres", str(genres), str(genres / "shards")]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert f"{genres / 'shards'} is in the folder of the sounds, {genres}" in error
    assert f"choose an output next to it, such as {genres.parent / 'shards'}" in error


def test_what_is_wrong_is_named(genres, tmp_path):
    with pytest.raises(CorpusError, match="gone: no such folder"):
        make_manifest(tmp_path / "gone", tmp_path / "m.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        CorpusError, match=r"empty has no folders; expected one per class.* OUT --layout sounds --split_by path`"
    ):
        make_manifest(tmp_path / "empty", tmp_path / "m.csv")
    (genres / "polka").mkdir()
    with pytest.raises(CorpusError, match="polka has no sounds"):
        make_manifest(genres, tmp_path / "m.csv")
