"""Clips that have no label for one of the tasks, from the manifest to the targets."""

import json
import math

import numpy as np
import pytest
import torch

from datamodules.__main__ import main
from datamodules.building.build import build_shards
from datamodules.data_module import AuditoryDataModule
from datamodules.manifests.manifest import ManifestError, read_manifest
from datamodules.shards.reader import ShardError, ShardSet
from datamodules.shards.streaming import StreamedClips
from datamodules.shards.verify import damages
from datamodules.tasks import UNLABELLED


@pytest.fixture(scope="module")
def manifest(make_sound, make_manifest, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unlabelled")
    rows = []
    for i in range(12):
        make_sound(folder / f"{i}.wav", seed=i)
        labels = {
            "word": "" if i % 3 == 0 else f"w{i % 2}",
            "speaker": f"s{i % 2}",
            "tags": "" if i % 4 == 0 else "a;b",
        }
        rows.append({"path": f"{i}.wav", **labels, "split": "val" if i < 6 else "train"})
    return make_manifest(folder / "manifest.csv", rows)


@pytest.fixture(scope="module")
def shards(manifest, tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "out"
    arguments = ["build", manifest, out, "--one_label", "word", "speaker", "--many_labels", "tags"]
    arguments += ["--allow_unlabelled", "word", "tags", "--sample_rate_hz", "4000", "--num_workers", "1"]
    assert main([str(argument) for argument in arguments]) == 0
    return out


def numbers_by_row(shard_set):
    return {shard_set.key(i).partition("-")[0]: shard_set.labels(i) for i in range(len(shard_set))}


def test_without_being_told_an_empty_cell_is_an_error(manifest, tmp_path):
    with pytest.raises(ManifestError, match="row 1: no label in column 'word'"):
        read_manifest(manifest, one_label=["word"])
    with pytest.raises(ManifestError, match="row 1: no label in column 'tags'"):
        read_manifest(manifest, one_label=["word"], many_labels=["tags"], may_be_unlabelled=["word"])
    report = build_shards(
        manifest,
        tmp_path / "out",
        one_label=["word"],
        sample_rate_hz=4000,
        num_workers=1,
        skip_bad=True,
        progress=False,
    )
    assert len(report.problems) == 4
    with pytest.raises(ManifestError, match=r"\['wrod'\] may be unlabelled, but are not among the label columns"):
        read_manifest(manifest, one_label=["word"], may_be_unlabelled=["wrod"])


def test_shards_keep_who_is_unlabelled(shards):
    train, val = ShardSet(shards / "train"), ShardSet(shards / "val")
    assert train.label_sets["word"].labels == ("<null>", "w0", "w1")
    found = {**numbers_by_row(train), **numbers_by_row(val)}
    for i in range(12):
        assert found[str(i)]["word"] == (UNLABELLED if i % 3 == 0 else 1 + i % 2)
        assert found[str(i)]["speaker"] == 1 + i % 2
        assert found[str(i)]["tags"] == ((UNLABELLED,) if i % 4 == 0 else (1, 2))
    assert train.index.num_clips_per_class["word"] == (0, 2, 2)
    assert train.index.num_clips_per_class["tags"] == (0, 5, 5)
    assert list(damages(shards / "train")) == []
    streamed = StreamedClips(f"pipe:cat {shards}/{{path}}", "train")
    assert [streamed.read(i).labels for i in range(6)] == [train.labels(i) for i in range(6)]


def test_targets_say_so(shards):
    settings = {"batch_size": 6, "num_workers": 0, "duration_s": 0.2, "sample_rate_hz": 4000}
    tags = {"name": "tags", "kind": "many_labels", "side": "signal"}
    module = AuditoryDataModule(signal=str(shards), tasks=["word", "speaker", tags], **settings)
    loader = module.train_dataloader()
    batch, draws = next(iter(loader)), next(loader.order.batches(0))
    train = ShardSet(shards / "train")
    assert batch["targets"]["word"].dtype == torch.int64
    assert batch["targets"]["tags"].dtype == torch.float32
    for i, draw in enumerate(draws):
        labels = train.labels(draw.signal)
        assert batch["targets"]["word"][i] == labels["word"]
        assert batch["targets"]["speaker"][i] > 0
        is_unlabelled = labels["tags"] == (UNLABELLED,)
        assert batch["targets"]["tags"][i].isnan().all() == is_unlabelled
        if not is_unlabelled:
            assert batch["targets"]["tags"][i].tolist() == [0, 1, 1]
    # Where the side is absent that is known: the null class, labelled or not.
    quiet = AuditoryDataModule(
        signal=str(shards), noise=str(shards), tasks=["word"], val_conditions={"noise": -math.inf}, **settings
    )
    assert (next(iter(quiet.val_dataloader()[0]))["targets"]["word"] == 0).all()


def test_the_request_is_another_and_old_ones_stay(shards, manifest, tmp_path):
    assert json.loads((shards / "build.json").read_text())["may_be_unlabelled"] == ["tags", "word"]
    report = build_shards(
        manifest, tmp_path / "out", one_label=["speaker"], sample_rate_hz=4000, num_workers=1, progress=False
    )
    assert "may_be_unlabelled" not in json.loads((report.folder / "build.json").read_text())


def test_lower_numbers_are_still_refused(shards, monkeypatch):
    from datamodules.shards import reader as module

    read = module.read_clips_file

    def changed(folder, index):
        table = read(folder, index)
        place = table.column_names.index("label_word")
        return table.set_column(place, "label_word", [np.full(table.num_rows, -2, dtype=np.int32)])

    monkeypatch.setattr(module, "read_clips_file", changed)
    with pytest.raises(ShardError, match="outside the 3 labels"):
        ShardSet(shards / "train")
