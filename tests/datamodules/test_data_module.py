import json
import math
import pickle
import random
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import datamodules
from datamodules.audio import rms
from datamodules.batches.examples import MixtureDataset, MixtureSettings, collate
from datamodules.batches.loader import ExampleLoader, TrainingLoader
from datamodules.batches.mixing import MixingError
from datamodules.batches.order import Draw, TrainingOrder, ValidationOrder
from datamodules.batches.settings_error import DataSettingsError
from datamodules.data_module import AuditoryDataModule
from datamodules.shards.reader import ShardError, ShardSet
from datamodules.tasks import TaskError, resolve_task

RATE_HZ = 4000
TASKS = ["word", "speaker", "audioset", {"name": "texture", "loss_weight": 0.5}]


@pytest.fixture
def make(signal_folder, noise_folder):
    def make(**changes):
        given = {
            "signal": str(signal_folder),
            "noise": str(noise_folder),
            "tasks": TASKS,
            "batch_size": 4,
            "num_workers": 0,
            "duration_s": 0.25,
            "sample_rate_hz": RATE_HZ,
        }
        return AuditoryDataModule(**{**given, **changes})

    return make


def flat(batches):
    """Everything in some batches as a list of plain values by example, to compare exactly."""
    rows = []
    for batch in batches:
        for i in range(len(batch["waveform"])):
            targets = tuple(tuple(np.atleast_1d(value[i]).tolist()) for value in batch["targets"].values())
            rows.append((batch["waveform"][i].numpy().tobytes(), targets, float(batch["snr_db"][i])))
    return rows


def training_loader(make, *, epoch=0, rank=0, num_ranks=1, **changes):
    module = make(**changes)
    loader = module.train_dataloader()
    order = TrainingOrder(
        *module.clips("train").counts,
        batch_size=module.batch_size_on(num_ranks),
        seed=module.seed,
        rank=rank,
        num_ranks=num_ranks,
    )
    return TrainingLoader(loader.dataset, order, current_epoch=lambda: epoch, num_workers=module.num_workers)


def test_batches_are_as_the_contract_says(make):
    module = make()
    assert [task.name for task in module.tasks] == ["word", "speaker", "audioset", "texture"]
    assert module.num_classes == {"word": 4, "speaker": 5, "audioset": 4, "texture": 3}
    assert module.tasks[3].side == "noise"
    assert module.steps_per_epoch() == len(module.train_dataloader()) == 5
    assert module.steps_per_epoch(num_ranks=2) == 2
    batch = next(iter(module.train_dataloader()))
    assert set(batch) == {"waveform", "targets", "snr_db", "draw"}
    assert (batch["waveform"].shape, batch["waveform"].dtype) == ((4, 1000), torch.float32)
    assert (batch["snr_db"].shape, batch["snr_db"].dtype) == ((4,), torch.float32)
    for name in ("word", "speaker", "texture"):
        assert (batch["targets"][name].shape, batch["targets"][name].dtype) == ((4,), torch.int64)
    assert (batch["targets"]["audioset"].shape, batch["targets"]["audioset"].dtype) == ((4, 4), torch.float32)
    assert all(rms(waveform.numpy()) == pytest.approx(0.1, rel=1e-4) for waveform in batch["waveform"])
    assert ((batch["snr_db"] >= -10) & (batch["snr_db"] <= 10)).all()


def test_targets_are_the_labels_of_the_clips_heard(make, signal_folder, noise_folder):
    module = make(jitter_s=0.0)
    loader = module.train_dataloader()
    signals, noises = ShardSet(signal_folder / "train"), ShardSet(noise_folder / "train")
    for draw in next(loader.order.batches(0)):
        example = loader.dataset[draw]
        signal, noise = signals.read(draw.signal), noises.read(draw.noise)
        assert example.targets["word"] == signal.labels["word"]
        assert example.targets["speaker"] == signal.labels["speaker"]
        assert example.targets["texture"] == noise.labels["texture"]
        assert tuple(np.flatnonzero(example.targets["audioset"])) == noise.labels["audioset"]


def test_signal_stands_in_the_mixture_at_the_ratio(make):
    module = make(jitter_s=0.0, val_conditions={"high": 60.0, "low": -60.0, "mid": 3.0, "quiet": math.inf})
    high, low, mid, quiet = (next(iter(loader)) for loader in module.val_dataloader())
    assert module.condition_names == ("high", "low", "mid", "quiet")
    torch.testing.assert_close(high["waveform"], quiet["waveform"], atol=1e-3, rtol=0)
    assert (mid["snr_db"] == 3.0).all()
    assert torch.isinf(quiet["snr_db"]).all()
    for i in range(len(mid["waveform"])):
        design = torch.stack([quiet["waveform"][i], low["waveform"][i]], dim=1).double()
        weights = torch.linalg.lstsq(design, mid["waveform"][i].double()[:, None]).solution[:, 0]
        assert 20 * torch.log10(weights[0] / weights[1]).item() == pytest.approx(3.0, abs=0.1)


def test_order_changes_with_epoch_and_seed_only(make):
    first = flat(training_loader(make))
    assert first == flat(training_loader(make))
    assert len({row[0] for row in first}) == 20
    assert first != flat(training_loader(make, epoch=1))
    assert first != flat(training_loader(make, seed=1))


@pytest.mark.parametrize("num_workers", [1, 2])
def test_workers_change_nothing(make, num_workers):
    expected = [flat(training_loader(make, epoch=epoch)) for epoch in (0, 1)]
    module = make(num_workers=num_workers)
    loader = module.train_dataloader()
    epoch = 0
    loader._current_epoch = lambda: epoch
    assert flat(loader) == expected[0]
    epoch = 1  # workers that live on follow the epoch
    assert flat(loader) == expected[1]
    if num_workers == 2:
        assert flat(module.val_dataloader()[0]) == flat(make().val_dataloader()[0])


@pytest.mark.parametrize("num_ranks", [2, 3])
def test_ranks_share_the_same_global_batches(make, num_ranks):
    alone = flat(training_loader(make, batch_size=2 * num_ranks))
    ranks = [flat(training_loader(make, batch_size=2, rank=rank, num_ranks=num_ranks)) for rank in range(num_ranks)]
    together = [row for start in range(0, len(ranks[0]), 2) for rank in ranks for row in rank[start : start + 2]]
    assert together == alone


@pytest.mark.slow
@pytest.mark.parametrize("num_workers", range(5))
@pytest.mark.parametrize("num_ranks", range(1, 5))
@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_ranks_and_workers_together_see_each_example_once(make, num_workers, num_ranks, batch_size):
    alone = flat(training_loader(make, batch_size=batch_size * num_ranks))
    rows = []
    for rank in range(num_ranks):
        loader = training_loader(make, batch_size=batch_size, rank=rank, num_ranks=num_ranks, num_workers=num_workers)
        rows.append(flat(loader))
        for first in range(1, len(loader)):
            loader.load_state_dict({**loader.state_dict(), "epoch": 0, "batches": first})
            assert flat(loader) == rows[-1][first * batch_size :]
    assert sorted(row for rank in rows for row in rank) == sorted(alone)
    assert len(set(alone)) == len(alone) == 23 // (batch_size * num_ranks) * batch_size * num_ranks


@pytest.mark.parametrize("num_ranks", [1, 2, 3])
def test_validation_over_ranks_sees_each_example_once(make, num_ranks):
    module = make()
    expected = sorted(flat(module.val_dataloader()[0]))
    assert len(expected) == 7
    dataset = module.val_dataloader()[0].dataset
    rows = []
    for rank in range(num_ranks):
        order = ValidationOrder(*module.clips("val").counts, batch_size=2, seed=0, rank=rank, num_ranks=num_ranks)
        rows += flat(ExampleLoader(dataset, order))
    assert sorted(rows) == expected


def test_validation_is_fixed_and_conditions_differ_in_ratio_alone(make):
    module = make(val_conditions={"mixed": None, "quiet": math.inf, "noise": -math.inf})
    mixed, quiet, noise = module.val_dataloader()
    assert flat(mixed) == flat(mixed)
    clean, alone = flat(quiet), flat(noise)
    for i, row in enumerate(flat(mixed)):
        assert row[1][:2] == clean[i][1][:2]  # word and speaker
        assert row[1][2:] == alone[i][1][2:]  # noise labels
    assert {row[2] for row in clean} == {math.inf}


def test_null_classes_where_a_side_is_absent(make):
    module = make(signal_only_fraction=0.4, noise_only_fraction=0.4, batch_size=20)
    seen = {math.inf: 0, -math.inf: 0, 0.0: 0}
    for epoch in range(10):
        loader = training_loader(make, epoch=epoch, signal_only_fraction=0.4, noise_only_fraction=0.4, batch_size=20)
        batch = next(iter(loader))
        for i, snr_db in enumerate(batch["snr_db"].tolist()):
            has_signal, has_noise = snr_db != -math.inf, snr_db != math.inf
            assert (batch["targets"]["word"][i] > 0) == has_signal
            assert (batch["targets"]["speaker"][i] > 0) == has_signal
            assert (batch["targets"]["texture"][i] > 0) == has_noise
            assert (batch["targets"]["audioset"][i, 0] == 0) == has_noise
            assert (batch["targets"]["audioset"][i, 1:].sum() > 0) == has_noise
            seen[snr_db if math.isinf(snr_db) else 0.0] += 1
    assert seen[math.inf] == pytest.approx(80, abs=25)
    assert seen[-math.inf] == pytest.approx(80, abs=25)
    assert module.condition_names == ("mixed",)


def test_quiet(make):
    module = make(noise=None, tasks=["word"])
    assert module.condition_names == ("quiet",)
    batch = next(iter(module.train_dataloader()))
    assert torch.isinf(batch["snr_db"]).all()
    assert (batch["targets"]["word"] > 0).all()


def test_a_task_without_null_class(make):
    module = make(tasks=["word", {"name": "texture", "null_label": None}])
    assert module.num_classes == {"word": 4, "texture": 2}
    dataset = module.train_dataloader().dataset
    draw = Draw(0, 0, 0, 0)
    texture = dataset.noises.read(0).labels["texture"]
    assert dataset[draw].targets["texture"] == texture - 1
    for changes in ({"signal_only_fraction": 0.1}, {"val_conditions": {"quiet": math.inf}}):
        data = make(tasks=["word", {"name": "texture", "null_label": None}], **changes)
        with pytest.raises(TaskError, match="task 'texture' has no null class, but some examples have no noise"):
            data.setup("fit")


def test_iterating_leaves_all_random_states_alone(make):
    torch.manual_seed(0), np.random.seed(0), random.seed(0)  # noqa: NPY002
    before = torch.get_rng_state(), str(np.random.get_state()), random.getstate()  # noqa: NPY002
    for num_workers in (0, 1):
        module = make(num_workers=num_workers)
        list(module.train_dataloader())
        list(module.val_dataloader()[0])
    after = torch.get_rng_state(), str(np.random.get_state()), random.getstate()  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


@pytest.mark.parametrize("stop_after", range(1, 6))
def test_resuming_from_the_loaders_state(make, stop_after):
    loader = training_loader(make, epoch=2)
    iterator = iter(loader)
    seen = flat(next(iterator) for _ in range(stop_after))
    state = json.loads(json.dumps(loader.state_dict()))
    rest = training_loader(make, epoch=2, batch_size=2, rank=0, num_ranks=2)
    rest = [rest, training_loader(make, epoch=2, batch_size=2, rank=1, num_ranks=2)]
    whole = flat(training_loader(make, epoch=2))
    resumed = training_loader(make, epoch=2)
    resumed.load_state_dict(state)
    assert resumed.state_dict() == state
    remaining = flat(resumed)
    assert remaining == (whole[len(seen) :] if stop_after < 5 else whole)
    assert flat(resumed) == whole  # only the first pass is shortened
    for loader in rest:  # other ranks, with as many examples in all
        loader.load_state_dict(state)
    rows = [flat(loader) for loader in rest]
    together = [row for start in range(0, len(rows[0]), 2) for rank in rows for row in rank[start : start + 2]]
    assert together == remaining


def test_state_of_another_epoch_starts_afresh(make):
    loader = training_loader(make, epoch=2)
    next(iter(loader))
    later = training_loader(make, epoch=3)
    later.load_state_dict(loader.state_dict())
    assert len(flat(later)) == 20


def test_resuming_with_other_data_is_refused(make):
    loader = training_loader(make)
    next(iter(loader))
    state = loader.state_dict()
    for changes, message in (
        ({"batch_size": 2}, "global_batch_size': 4.*global_batch_size': 2"),
        ({"seed": 1}, "made with {'seed': 0}, now it is {'seed': 1}"),
    ):
        other = training_loader(make, **changes)
        other.load_state_dict(state)
        with pytest.raises(ValueError, match=f"cannot resume after batch 1 of epoch 0.*{message}"):
            next(iter(other))


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ([], [datamodules.Gain()]),
        ([datamodules.Gain()], []),
        ([datamodules.Gain()], [datamodules.Gain(probability=0.5)]),
        ([datamodules.Reverberation(num_rooms=3)], [datamodules.Reverberation(num_rooms=3, longest_s=0.5)]),
        ([datamodules.Reverberation(num_rooms=3)], [datamodules.Reverberation(num_rooms=4)]),
        ([datamodules.Gain(), datamodules.TimeMask()], [datamodules.TimeMask(), datamodules.Gain()]),
    ],
)
def test_resuming_with_other_augmentation_is_refused_within_an_epoch(make, before, now):
    loader = training_loader(make, augmentation=before)
    next(iter(loader))
    same, other, later = (
        training_loader(make, augmentation=one, epoch=epoch) for one, epoch in ((before, 0), (now, 0), (now, 1))
    )
    for resumed in (same, other, later):
        resumed.load_state_dict(json.loads(json.dumps(loader.state_dict())))
    next(iter(same))
    next(iter(later))
    with pytest.raises(ValueError, match=r"cannot resume after batch 1 of epoch 0.*'augmentation': .*the same data"):
        next(iter(other))


def test_bad_settings(make):
    bad = [
        ({"second_crop": True, "mix_on_device": True}, ValueError, "second_crop needs mixing by the workers"),
        ({"snr_db": (10.0, -10.0)}, ValueError, "snr_db must be"),
        ({"signal_only_fraction": 0.6, "noise_only_fraction": 0.6}, ValueError, "sum to at most 1"),
        (
            {"noise": None, "tasks": ["word"], "noise_only_fraction": 0.1},
            ValueError,
            "`data.noise` is null, which is quiet",
        ),
        ({"noise": None, "tasks": ["word"], "val_conditions": {"x": 0.0}}, ValueError, "need noise"),
        (
            {"noise": None, "tasks": ["word"], "signal_only_fraction": 0.1, "val_conditions": {"x": 0.0}},
            ValueError,
            r"set signal_only_fraction to 0 \(it is 0.1\), and leave out the val_conditions {'x': 0.0}",
        ),
        ({"val_conditions": {"x": math.nan}}, ValueError, "not a number"),
        ({"val_conditions": {}}, ValueError, "at least one"),
        ({"duration_s": 0.0}, ValueError, "duration_s must be above 0"),
        ({"jitter_s": -0.1}, ValueError, "jitter_s at least 0"),
        ({"seed": -1}, ValueError, "seed must be between"),
        ({"global_batch_size": 8}, ValueError, "batch_size 4 .* and global_batch_size 8 .* are both given"),
        ({"batch_size": None, "global_batch_size": 0}, ValueError, "global_batch_size 0 cannot be divided"),
    ]
    for changes, kind, message in bad:
        with pytest.raises(kind, match=message):
            make(**changes)


def test_what_does_not_fit_the_shards_is_reported_by_setup(make, tmp_path):
    bad = [
        ({"tasks": ["wrod"]}, TaskError, "unknown task 'wrod'"),
        ({"tasks": ["word", "word"]}, TaskError, "named twice"),
        ({"noise": None}, TaskError, "task 'audioset' is about the noise"),
        ({"sample_rate_hz": 20000}, ShardError, r"signal.train: has a sample rate of 4000 Hz, sample_rate_hz is 20000"),
        ({"signal": str(tmp_path)}, ShardError, "no shard set here"),
        ({"batch_size": 24}, ValueError, "23 training clips do not fill one batch of 24"),
    ]
    for changes, kind, message in bad:
        data = make(**changes)
        with pytest.raises(kind, match=message):
            data.setup("fit")
        if "batch_size" not in changes:
            with pytest.raises(kind, match=message):
                _ = data.tasks


def test_clips_are_opened_once_and_when_they_are_needed(make, monkeypatch):
    from datamodules.batches.sampling import corpus_shares

    opened = []
    open_clips = corpus_shares.open_clips
    monkeypatch.setattr(
        corpus_shares,
        "open_clips",
        lambda *given, side: opened.append((side, given[1])) or open_clips(*given, side=side),
    )
    data = make()
    assert (data.condition_names, opened) == (("mixed",), [])
    assert data.num_classes["word"] == 4
    assert opened == [("signal", "train"), ("noise", "train")]
    data.setup("fit")
    next(iter(data.train_dataloader())), next(iter(data.val_dataloader()[0]))
    assert opened == [(side, split) for split in ("train", "val") for side in ("signal", "noise")]


@pytest.mark.parametrize("is_set_up", [False, True])
def test_it_can_be_pickled(make, is_set_up):
    data = make()
    if is_set_up:
        data.setup("fit")
    again = pickle.loads(pickle.dumps(data))
    assert again.num_classes == data.num_classes
    assert flat(again.val_dataloader()[0]) == flat(data.val_dataloader()[0])


def test_missing_shards_are_told_with_the_setting_and_the_splits_that_are_there(make, signal_folder, tmp_path):
    with pytest.raises(ShardError, match=r"^`data.noise` is gone .*: gone.train: no shard set .*or null for quiet$"):
        make(noise="gone").setup("fit")
    shutil.copytree(signal_folder / "train", tmp_path / "trian")
    shutil.copytree(signal_folder / "val", tmp_path / "val")
    with pytest.raises(ShardError, match=r"^`data.signal`: .* has shard sets of trian, val, but none of train[.:] "):
        make(signal=str(tmp_path)).setup("validate")
    with pytest.raises(ShardError, match=r"is the shard set of one split: name the folder .*, .*signal"):
        make(signal=str(signal_folder / "train")).setup("fit")
    with pytest.raises(ShardError, match=r"has no shard set 'train' in it; name one of .*signal"):
        make(signal=str(signal_folder.parent)).setup("fit")


@pytest.mark.parametrize(("num_ranks", "accumulated", "on_each"), [(1, 1, 12), (2, 1, 6), (1, 3, 4), (2, 3, 2)])
def test_a_global_batch_is_shared_out_over_ranks_and_accumulated_batches(make, num_ranks, accumulated, on_each):
    data = make(batch_size=None, global_batch_size=12)
    data.trainer = SimpleNamespace(
        accumulate_grad_batches=accumulated, world_size=num_ranks, global_rank=0, current_epoch=0
    )
    assert data.train_dataloader().order.batch_size == data.batch_size_on(num_ranks) == on_each
    assert data.steps_per_epoch(num_ranks) == 23 // (12 // accumulated)


def test_a_global_batch_that_cannot_be_shared_out_is_refused(make):
    data = make(batch_size=None, global_batch_size=12)
    with pytest.raises(DataSettingsError, match="global_batch_size 12 cannot be divided among 5 rank"):
        data.batch_size_on(5)


def test_label_sets_of_train_and_val_must_agree(make, signal_folder, tmp_path):
    shutil.copytree(signal_folder, tmp_path / "signal")
    path = tmp_path / "signal" / "val" / "index.json"
    path.write_text(path.read_text().replace('"seven"', '"eight"'))
    with pytest.raises(ShardError, match="have different label sets"):
        make(signal=str(tmp_path / "signal")).setup("fit")


def test_nothing_to_hear_names_the_clips(signal_folder):
    signals = ShardSet(signal_folder / "train")
    task = resolve_task("word", {"signal": signals.label_sets})
    dataset = MixtureDataset(signals, None, [task], MixtureSettings(num_samples=100), seed=0)
    read = signals.read
    signals.read = lambda i, **_: read(i)._replace(waveform=np.zeros(1000, dtype=np.float32))
    with pytest.raises(MixingError, match=f"signal '{signals.key(3)}' of .*train: nothing to hear"):
        dataset[Draw(0, 0, 3, -1)]


def test_a_silent_stretch_has_the_null_class(make):
    dataset = make(jitter_s=0.0).train_dataloader().dataset
    read = dataset.noises.read
    dataset.noises.read = lambda i, **_: read(i)._replace(waveform=np.zeros(5000, dtype=np.float32))
    example = dataset[Draw(0, 0, 3, 0)]
    assert example.snr_db == math.inf
    assert example.targets["texture"] == 0
    assert example.targets["audioset"].tolist() == [1, 0, 0, 0]


def test_collate_keeps_order():
    dataset_examples = [
        (np.full(3, i, dtype=np.float32), {"word": i, "tags": np.eye(2, dtype=np.float32)[i]}, float(i)) for i in (0, 1)
    ]
    from datamodules.batches.examples import Example

    batch = collate([Example(*example) for example in dataset_examples])
    assert batch["targets"]["word"].tolist() == [0, 1]
    assert batch["targets"]["tags"].tolist() == [[1, 0], [0, 1]]
    assert batch["waveform"][:, 0].tolist() == [0, 1]


@pytest.mark.slow
def test_only_this_file_needs_lightning():
    modules = "datamodules.building.build, datamodules.batches.loader, datamodules.__main__"
    code = f"import sys, {modules}; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"pytorch_lightning", "lightning"} & set(found.stdout.split())
