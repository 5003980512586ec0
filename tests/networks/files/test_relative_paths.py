"""Relative paths start from the current folder; errors say so, wherever a recipe names them."""

from pathlib import Path

import pytest

from datamodules import Reverberation
from datamodules.batches.sampling.corpus_shares import corpora_of
from datamodules.batches.settings_error import DataSettingsError
from datamodules.inspection.places import PlaceError, look_into
from datamodules.shards.index import ShardError
from evaluate.benchmarks import BenchmarkError, find_benchmark
from networks import CheckpointError
from networks.files.relative_paths import where_looked
from networks.named_objects import load_object
from networks.weights.source_names import SourceError, parse_source
from train.learning.warm_start import warm_start
from train.run.checkpoints.checkpoint_selection import checkpoint_named
from train.run.run_directory import RunDirectoryError

NAME = "sub/gone"
PLACES = {
    "brain.benchmarks": (lambda name: find_benchmark(name), BenchmarkError),
    "data.signal": (lambda name: corpora_of(name, "signal").open("train"), ShardError),
    "data.noise": (lambda name: corpora_of([name], "noise").open("train"), ShardError),
    "data.augmentation": (lambda name: Reverberation(folder=name), DataSettingsError),
    "model.init_from": (lambda name: warm_start(None, name, []), CheckpointError),
    "ckpt_path": (lambda name: checkpoint_named(name, "run"), RunDirectoryError),
    "a network": (lambda name: parse_source(name), SourceError),
    "a control": (lambda name: parse_source(f"permuted:{name}"), SourceError),
    "shards to check": (lambda name: look_into(Path(name)), PlaceError),
    "a class": (lambda name: load_object(f"{name}.py:Name"), ValueError),
}


@pytest.mark.parametrize("what", PLACES)
def test_errors_name_the_absolute_path_of_a_relative_one(what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    look, error = PLACES[what]
    with pytest.raises(error) as raised:
        look(NAME)
    assert "a relative path starts from the current folder: looked for" in str(raised.value)
    assert str((tmp_path / NAME).resolve()) in str(raised.value)
    with pytest.raises(error) as raised:
        look(str(tmp_path / NAME))
    assert "relative" not in str(raised.value)


def test_a_path_that_goes_up(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert where_looked("../other").endswith(f"looked for {(tmp_path / 'other').resolve()})")
