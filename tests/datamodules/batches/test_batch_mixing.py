"""Mixing a batch on the device gives what the workers would have mixed."""

import math

import numpy as np
import pytest
import pytorch_lightning as lightning
import torch

from datamodules.batches.batch_mixing import mix_batch, mixed
from datamodules.batches.mixing import mix
from datamodules.data_module import AuditoryDataModule

TOLERANCE = 1e-6
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


@pytest.fixture
def make(signal_folder, noise_folder):
    def make(**changes):
        given = {
            "signal": str(signal_folder),
            "noise": str(noise_folder),
            "tasks": ["word", "speaker", "audioset"],
            "batch_size": 4,
            "num_workers": 0,
            "duration_s": 0.25,
            "sample_rate_hz": 4000,
        }
        return AuditoryDataModule(**{**given, **changes})

    return make


@pytest.mark.parametrize("device", DEVICES)
def test_equals_mixing_one_by_one(device):
    rng = np.random.default_rng(0)
    levels = 10 ** rng.uniform(-4, 0, (2, 9, 1))
    signal, noise = (levels * rng.standard_normal((2, 9, 4000)) + rng.uniform(-0.5, 0.5, (2, 9, 1))).astype(np.float32)
    ratios = np.array([-10, -3.3, 0, 0.1, 10, 60, -60, np.inf, -np.inf])
    expected = np.stack([mix(*row).waveform for row in zip(signal, noise, ratios, strict=True)])
    signal[8], noise[7] = 0, 0
    given = (torch.from_numpy(x).to(device) for x in (signal, noise, ratios.astype(np.float32)))
    found = mix_batch(*given).cpu().numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=TOLERANCE, rtol=0)


def test_nothing_to_hear_is_silence():
    silence = torch.zeros(3, 100)
    found = mix_batch(silence, silence, torch.tensor([0.0, math.inf, -math.inf]))
    assert torch.equal(found, silence)


def test_a_mixed_batch_stays():
    batch = {"waveform": torch.ones(1, 2), "targets": {}, "snr_db": torch.zeros(1)}
    assert mixed(batch) is batch


@pytest.mark.parametrize("num_workers", [0, 1])
def test_loaders_give_the_same_examples(make, num_workers):
    settings = {
        "signal_only_fraction": 0.3,
        "noise_only_fraction": 0.3,
        "val_conditions": {"mixed": None, "low": -9.0, "quiet": math.inf, "noise": -math.inf},
    }
    module, device_module = make(**settings), make(mix_on_device=True, num_workers=num_workers, **settings)
    pairs = [(module.train_dataloader(), device_module.train_dataloader())]
    pairs += list(zip(module.val_dataloader(), device_module.val_dataloader(), strict=True))
    for expected_loader, loader in pairs:
        for expected, sent in zip(expected_loader, loader, strict=True):
            assert set(sent) == {"signal", "noise", "targets", "snr_db", "draw"}
            found = device_module.on_after_batch_transfer(sent, 0)
            assert set(found) == set(expected)
            torch.testing.assert_close(found["waveform"], expected["waveform"], atol=TOLERANCE, rtol=0)
            assert torch.equal(found["snr_db"], expected["snr_db"])
            for name, target in expected["targets"].items():
                assert torch.equal(found["targets"][name], target)  # the null classes as well


def test_silent_stretches_have_the_null_class(make):
    dataset = make(mix_on_device=True, jitter_s=0.0).train_dataloader().dataset
    draw = next(make().train_dataloader().order.batches(0))[0]
    read = dataset.noises.read
    dataset.noises.read = lambda i, **_: read(i)._replace(waveform=np.full(5000, 0.25, dtype=np.float32))
    example = dataset[draw]
    assert example.snr_db == math.inf
    assert not example.noise.any()
    assert example.targets["audioset"].tolist() == [1, 0, 0, 0]


def test_quiet_has_nothing_to_mix(make):
    batch = next(iter(make(noise=None, tasks=["word"], mix_on_device=True).train_dataloader()))
    assert "waveform" in batch


class Hearing(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.heard = []

    def training_step(self, batch, batch_idx):
        self.heard.append(batch["waveform"])
        return self.layer(batch["waveform"][:, :1]).mean()

    def validation_step(self, batch, batch_idx, dataloader_idx=0):
        self.heard.append(batch["waveform"])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)


@pytest.mark.filterwarnings("ignore")
def test_the_trainer_mixes_every_batch(make, tmp_path):
    heard = []
    for mix_on_device in (False, True):
        hearing = Hearing()
        trainer = lightning.Trainer(
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
            max_epochs=1,
        )
        trainer.fit(hearing, make(mix_on_device=mix_on_device))
        heard.append(torch.cat(hearing.heard))
    torch.testing.assert_close(heard[1], heard[0], atol=TOLERANCE, rtol=0)
