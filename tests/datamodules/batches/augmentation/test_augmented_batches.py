"""Augmented batches of the data module: exact for any ranks and workers, the same on the device, off in validation."""

import itertools
import json

import numpy as np
import pytest
import pytorch_lightning as lightning
import torch

from datamodules.batches.augmentation.band_limit import BandLimit
from datamodules.batches.augmentation.equalization import Equalization
from datamodules.batches.augmentation.gain import Gain
from datamodules.batches.augmentation.masks import FrequencyMask, TimeMask
from datamodules.batches.augmentation.mixup import Mixup
from datamodules.batches.augmentation.more_noises import MoreNoises
from datamodules.batches.augmentation.pitch import Pitch
from datamodules.batches.augmentation.reverberation import Reverberation
from datamodules.batches.augmentation.speed import Speed
from datamodules.batches.settings_error import DataSettingsError
from datamodules.data_module import AuditoryDataModule

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


def everything():
    return [
        MoreNoises(most=2, probability=0.7),
        Speed(probability=0.5),
        Pitch(applies_to="noise", probability=0.5),
        Reverberation(num_rooms=3, longest_s=0.1, probability=0.8),
        Reverberation(num_rooms=3, longest_s=0.05, applies_to="noise"),
        Equalization(applies_to="mixture"),
        BandLimit(applies_to="mixture", high_hz=(1000, 2000)),
        Gain(probability=0.5),
        Mixup(probability=0.5),
        TimeMask(probability=0.5),
        FrequencyMask(),
    ]


@pytest.fixture
def make(signal_folder, noise_folder):
    def make(**changes):
        given = {"signal": str(signal_folder), "noise": str(noise_folder), "tasks": ["audioset"], "batch_size": 4}
        given |= {"num_workers": 0, "duration_s": 0.25, "sample_rate_hz": 4000, "augmentation": everything()}
        return AuditoryDataModule(**{**given, **changes})

    return make


def finished(data, loader, device="cpu"):
    batches = []
    for batch in loader:
        moved = lightning.utilities.move_data_to_device(batch, device)
        batches.append(data.on_after_batch_transfer(moved, 0))
    return batches


@pytest.fixture
def on_rank(make):
    def rows(rank=0, num_ranks=1, **changes):
        data = make(**changes)
        data._rank_and_num_ranks = lambda: (rank, num_ranks)
        return finished(data, data.train_dataloader())

    return rows


def sounds(batches):
    return [
        (waveform.numpy().tobytes(), batch["targets"]["audioset"][i].numpy().tobytes())
        for batch in batches
        for i, waveform in enumerate(batch["waveform"])
    ]


def test_ranks_and_workers_give_the_same_examples_and_resume(make, on_rank):
    alone = on_rank()
    assert len(set(sounds(alone))) == 20
    assert all(batch["waveform"].shape == (4, 1000) and batch["waveform"].isfinite().all() for batch in alone)
    assert sounds(on_rank(num_workers=2)) == sounds(alone)
    halves = [sounds(on_rank(rank, 2, batch_size=2)) for rank in (0, 1)]
    together = [row for start in range(0, 10, 2) for rank in halves for row in rank[start : start + 2]]
    assert together == sounds(alone)
    data = make()
    loader = data.train_dataloader()
    list(itertools.islice(loader, 2))
    state = json.loads(json.dumps(loader.state_dict()))
    again = data.train_dataloader()
    again.load_state_dict(state)
    assert sounds(finished(data, again)) == sounds(alone)[8:]


def test_masks_follow_the_position_whatever_the_batch(make, on_rank):
    cochleagram = torch.linspace(1, 2, 30 * 40).reshape(1, 30, 40)

    def masked(batches):
        return [
            (batch["change_cochleagrams"](cochleagram.expand(len(batch["waveform"]), -1, -1)) != cochleagram)[i]
            for batch in batches
            for i in range(len(batch["waveform"]))
        ]

    alone = torch.stack(masked(on_rank()))
    torch.testing.assert_close(torch.stack(masked(on_rank(batch_size=2))[:20]), alone)
    in_time = alone.all(dim=1).any(dim=1)  # some whole columns
    assert 2 < in_time.sum() < 18  # the probability is a half
    assert alone.any(dim=(1, 2)).sum() > 15


@pytest.mark.parametrize("device", DEVICES)
def test_on_the_device_the_same_as_in_the_loader(make, device):
    without = [one for one in everything() if not isinstance(one, Mixup)]
    settings = {"augmentation": without, "signal_only_fraction": 0.2, "noise_only_fraction": 0.2}
    in_loader, on_device = make(**settings), make(**settings, mix_on_device=True)
    batch = next(iter(on_device.train_dataloader()))
    assert batch["signal"].shape[1] > batch["noise"].shape[1] > 1000  # what the filters need around the example
    expected = finished(in_loader, in_loader.train_dataloader())
    for one, other in zip(finished(on_device, on_device.train_dataloader(), device), expected, strict=True):
        torch.testing.assert_close(one["waveform"].cpu(), other["waveform"], atol=2e-5, rtol=0)
        torch.testing.assert_close(one["targets"]["audioset"].cpu(), other["targets"]["audioset"])


def test_validation_is_not_augmented(make):
    with_it, without = make(), make(augmentation=None)
    for one, other in zip(with_it.val_dataloader()[0], without.val_dataloader()[0], strict=True):
        assert one.keys() == other.keys() == {"waveform", "targets", "snr_db", "draw"}
        torch.testing.assert_close(one["waveform"], other["waveform"], atol=0, rtol=0)


def test_several_noises_have_all_their_labels(make):
    data = make(augmentation=[MoreNoises(most=2)])
    loader = data.train_dataloader()
    noises = data.clips("train").noises
    several = 0
    for draw in itertools.chain.from_iterable(loader.order.batches(0)):
        example = loader.dataset[draw]
        count = len(loader.dataset.augmentation.drawn(draw.epoch, draw.position).noise_levels_db())
        wanted = {label for i in (draw.noise, *draw.more_noises[:count]) for label in noises.read(i).labels["audioset"]}
        assert set(np.flatnonzero(example.targets["audioset"])) == wanted
        several += count == 2
    assert 3 < several < 17


def test_mixup_blends_pairs_and_their_labels(make):
    plain, blended = make(augmentation=None), make(augmentation=[Mixup(alpha=1.0)])
    for one, other in zip(plain.train_dataloader(), finished(blended, blended.train_dataloader()), strict=True):
        for i in range(4):
            pair = torch.stack([one["waveform"][i], one["waveform"][i ^ 1]], dim=1).double()
            weights = torch.linalg.lstsq(pair, other["waveform"][i].double()[:, None]).solution[:, 0]
            share = (weights / weights.sum())[0].float()
            torch.testing.assert_close(pair.float() @ weights.float(), other["waveform"][i], atol=1e-5, rtol=0)
            targets = one["targets"]["audioset"]
            torch.testing.assert_close(
                other["targets"]["audioset"][i], share * targets[i] + (1 - share) * targets[i ^ 1], atol=1e-3, rtol=0
            )
            assert other["waveform"][i].square().mean().sqrt() == pytest.approx(0.1, rel=1e-3)


def test_what_does_not_go_together_is_refused(make):
    for changes, message in (
        ({"augmentation": [Mixup()], "batch_size": 3}, "batch on each rank must be even, got 3"),
        ({"augmentation": [Mixup()], "tasks": ["word"]}, r"Mixup needs tasks with many labels, but \['word'\]"),
        ({"augmentation": [MoreNoises()], "tasks": ["texture"]}, r"several noises, but \['texture'\] have one label"),
    ):
        with pytest.raises(DataSettingsError, match=message):
            make(**changes).setup("fit")
        with pytest.raises(DataSettingsError, match=message):
            make(**changes).train_dataloader()
    with pytest.raises(DataSettingsError, match="is quiet: leave out MoreNoises, Pitch, Reverberation, which need"):
        make(noise=None, tasks=["word"])


def test_second_crops_are_changed_in_other_ways(make):
    data = make(augmentation=[Reverberation(num_rooms=50, longest_s=0.1)], second_crop=True, tasks=["word"])
    plain = make(augmentation=None, second_crop=True, tasks=["word"])
    dataset = data.train_dataloader().dataset
    plan = dataset.augmentation
    first, second = (plan.drawn(0, 5, is_second=is_second).described() for is_second in (False, True))
    assert first != second
    batch, other = next(iter(data.train_dataloader())), next(iter(plain.train_dataloader()))
    assert batch["second_crop"].shape == (4, 1000)
    assert not torch.equal(batch["second_crop"], other["second_crop"])
