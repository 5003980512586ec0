"""Small corpora and shard sets, made once."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from datamodules.building.build import build_shards

SAMPLE_RATE_HZ = 4000


def write_sound(path: Path, *, seed: int, duration_s: float = 0.3, sample_rate_hz: int = SAMPLE_RATE_HZ) -> Path:
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * rng.standard_normal(round(duration_s * sample_rate_hz)), sample_rate_hz)
    return path


def write_rows(path: Path, rows: list[dict]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="session")
def make_sound() -> Callable[..., Path]:
    return write_sound


@pytest.fixture(scope="session")
def make_manifest() -> Callable[..., Path]:
    return write_rows


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with manifests of 23 + 7 words by 3 speakers and 5 + 3 textures of several labels."""
    folder = tmp_path_factory.mktemp("corpus")
    words = []
    for i in range(30):
        write_sound(folder / "words" / f"clip {i}.wav", seed=i, duration_s=0.2 + 0.01 * i)
        row = {"path": f"words/clip {i}.wav", "word": ["null", "nan", "seven"][i % 3], "speaker": f"s{i % 4}"}
        words.append({**row, "split": "train" if i < 23 else "val"})
    textures = []
    for i in range(8):
        write_sound(folder / "textures" / f"{i}.wav", seed=100 + i, duration_s=1.0)
        labels = ";".join(["rain", "wind", "bees"][: 1 + i % 3])
        row = {"path": f"textures/{i}.wav", "audioset": labels, "texture": f"t{i % 2}"}
        textures.append({**row, "split": "train" if i < 5 else "val"})
    write_rows(folder / "words.csv", words)
    write_rows(folder / "textures.csv", textures)
    return folder


@pytest.fixture(scope="session")
def signal_folder(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shards") / "signal"
    build_shards(
        corpus / "words.csv",
        out,
        one_label=["word", "speaker"],
        sample_rate_hz=SAMPLE_RATE_HZ,
        clips_per_shard=10,
        num_workers=1,
        progress=False,
        picture=False,
    )
    return out


@pytest.fixture(scope="session")
def noise_folder(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shards") / "noise"
    build_shards(
        corpus / "textures.csv",
        out,
        one_label=["texture"],
        many_labels=["audioset"],
        sample_rate_hz=SAMPLE_RATE_HZ,
        num_workers=1,
        progress=False,
        picture=False,
    )
    return out
