"""A tiny network and a tiny benchmark, for tests of what surrounds the numerics."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

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


@pytest.fixture
def make_benchmark() -> Callable[..., Benchmark]:
    """Builds a benchmark of 24 sounds; any field can be replaced."""

    def make(num_units: int = 6, num_repetitions: int = 3, **changes: object) -> Benchmark:
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
        return Benchmark(**(fields | changes))  # type: ignore[arg-type]

    return make
