"""Two crops of a sound, for learning without labels: functions of seed, epoch and position."""

import numpy as np
import pytest
import torch

from datamodules.data_module import AuditoryDataModule

RATE_HZ = 4000
SETTINGS = {"batch_size": 4, "num_workers": 0, "duration_s": 0.1, "sample_rate_hz": RATE_HZ}


@pytest.fixture
def batches(signal_folder, noise_folder):
    def batches(**changes):
        data = AuditoryDataModule(signal=str(signal_folder), **{**SETTINGS, "tasks": [], **changes})
        return list(data.train_dataloader())

    return batches


def test_a_second_crop_leaves_the_first_as_it_is_and_comes_from_elsewhere(batches, noise_folder):
    for noise in (None, str(noise_folder)):
        alone, both = batches(noise=noise), batches(noise=noise, second_crop=True)
        assert all(torch.equal(one["waveform"], other["waveform"]) for one, other in zip(alone, both, strict=True))
        assert "second_crop" not in alone[0]
        again = batches(noise=noise, second_crop=True)
        for one, other in zip(both, again, strict=True):
            assert torch.equal(one["second_crop"], other["second_crop"])
            assert one["second_crop"].shape == one["waveform"].shape
            assert not any(torch.equal(*pair) for pair in zip(one["waveform"], one["second_crop"], strict=True))
            np.testing.assert_allclose(one["second_crop"].square().mean(dim=1).sqrt(), 0.1, rtol=1e-4)


def test_batches_without_labels_say_where_they_are_drawn(batches):
    first, *_ = batches(noise=None, signal_crop="anywhere")
    assert first["targets"] == {}
    assert first["draw"].tolist() == [[0, position] for position in range(4)]
    centred, *_ = batches(noise=None)
    assert not torch.equal(first["waveform"], centred["waveform"])


def test_second_crops_of_validation_are_the_same_each_time(signal_folder):
    data = AuditoryDataModule(signal=str(signal_folder), tasks=[], second_crop=True, **SETTINGS)
    (loader,) = data.val_dataloader()
    for one, other in zip(loader, loader, strict=True):
        assert torch.equal(one["second_crop"], other["second_crop"])
