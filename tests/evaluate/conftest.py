"""A tiny network and a tiny benchmark, for tests of what surrounds the numerics."""

import random
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from evaluate import score_network
from evaluate.benchmarks import Benchmark


class TinyNetwork(nn.Module):
    """Waveform -> (B, 1, F, N) -> two stages -> head, with all that evaluation asks of a network."""

    stages = ("relu0", "pool0", "relufc")
    sample_rate_hz = 1000
    num_samples = 64

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(3 * 4 * 4, 5)
        self.relufc = nn.ReLU()
        self.head = nn.Linear(5, 2)

    def stage_modules(self) -> dict[str, nn.Module]:
        return {"relu0": self.relu, "pool0": self.pool, "relufc": self.relufc}

    def forward(self, waveform: Tensor) -> dict[str, Tensor]:
        picture = waveform.reshape(-1, 1, 8, 8)
        pooled = self.pool(self.relu(self.norm(self.conv(picture))))
        return {"word": self.head(self.relufc(self.fc(self.dropout(pooled).flatten(1))))}


@pytest.fixture
def tiny_network() -> TinyNetwork:
    torch.manual_seed(0)
    return TinyNetwork()


@pytest.fixture
def tiny_network_class() -> type[TinyNetwork]:
    return TinyNetwork


@pytest.fixture(scope="session")
def make_benchmark() -> Callable[..., Benchmark]:
    """Builds a benchmark of 24 sounds, in time if there are bins; any field can be replaced."""

    def make(num_units: int = 6, num_repetitions: int = 3, num_bins: int = 0, **changes: object) -> Benchmark:
        generator = np.random.default_rng(1)
        sounds = generator.standard_normal((24, 64)).astype(np.float32)
        drive = np.abs(sounds) @ generator.standard_normal((64, num_units))
        noise = generator.standard_normal((24, num_units, num_repetitions))
        fields: dict[str, object] = {
            "name": "tiny",
            "version": "1",
            "stimulus_names": tuple(f"sound{i}" for i in range(24)),
            "waveforms": lambda sample_rate_hz, num_samples: sounds[:, :num_samples].copy(),
            "responses": drive[:, :, None] + noise,
            "units": pd.DataFrame(
                {
                    "unit": [f"v{i}" for i in range(num_units)],
                    "subject": ["s1" if i < num_units // 2 else "s2" for i in range(num_units)],
                    "region": ["A" if i % 2 else "B" for i in range(num_units)],
                }
            ),
            "noise_corrected": num_repetitions > 1,
        }
        if num_bins:
            course = generator.standard_normal((num_units, 1, num_bins))
            noise = generator.standard_normal((24, num_units, num_repetitions, num_bins))
            fields |= {"responses": drive[:, :, None, None] * course + noise, "rate_hz": num_bins / 0.064}
        return Benchmark(**(fields | changes))  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def scored_in_time(make_benchmark) -> pd.DataFrame:
    """Rows of the metric `temporal` of the tiny network; tests do not change them."""
    torch.manual_seed(0)
    return score_network(TinyNetwork(), make_benchmark(num_bins=4), metrics=["temporal"])


@pytest.fixture
def one_thread() -> Iterator[None]:
    """A forked process waits for ever for the threads of its parent's OpenMP pool, which it does not have."""
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(num_threads)


class Module(pl.LightningModule):
    """Trains a tiny network in a way that uses every random generator there is."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.network.norm.eval()

    def training_step(self, batch, batch_idx):
        (waveform,) = batch
        noise = torch.randn_like(waveform) + random.random() + float(np.random.rand())  # noqa: NPY002
        return self.network(waveform + noise)["word"].square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.05)


@pytest.fixture
def fit(tmp_path, tiny_network_class):
    """Trains for some epochs, always from the same start; gives module and trainer."""

    def run(*callbacks, epochs=2, ckpt_path=None, folder="run", **changes):
        pl.seed_everything(3, verbose=False)
        module = Module(tiny_network_class())
        data = TensorDataset(torch.randn(8, 64))
        loader = DataLoader(data, batch_size=2, shuffle=True)
        trainer = pl.Trainer(
            **{
                "max_epochs": epochs,
                "accelerator": "cpu",
                "default_root_dir": tmp_path / folder,
                "logger": False,
                "enable_checkpointing": any(isinstance(each, ModelCheckpoint) for each in callbacks),
                "enable_progress_bar": False,
                "enable_model_summary": False,
                "callbacks": list(callbacks),
                "num_sanity_val_steps": 0,
                **changes,
            }
        )
        trainer.fit(module, loader, ckpt_path=ckpt_path)
        return module, trainer

    return run
