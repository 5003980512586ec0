"""A corpus of tones that is built in a second, and a network small enough to train on it."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml

from datamodules.building.build import build_shards
from evaluate.benchmarks import BENCHMARKS
from tests.helpers.noise_benchmark import tiny
from train.__main__ import main

SAMPLE_RATE_HZ = 2000
WORDS = ("high", "low", "rise")
SPEAKERS = ("ann", "bob")
TEXTURES = ("hiss", "hum")
FRONT_END = {
    "sample_rate_hz": SAMPLE_RATE_HZ,
    "num_samples": 800,
    "num_filters": 8,
    "sample_factor": 1,
    "high_hz": 1000.0,
    "frame_rate_hz": 50.0,
    "num_taps": 81,
}


def spoken(word: str, speaker: str, rng: np.random.Generator) -> np.ndarray:
    time = np.arange(600) / SAMPLE_RATE_HZ
    start, end = {"high": (700, 700), "low": (250, 250), "rise": (250, 700)}[word]
    frequency = np.linspace(start, end, len(time)) * rng.uniform(0.97, 1.03)
    buzz = 0.3 * np.sin(2 * np.pi * time * (90 if speaker == "ann" else 140))
    return 0.1 * (np.sin(2 * np.pi * np.cumsum(frequency) / SAMPLE_RATE_HZ) + buzz)


def texture(label: str, rng: np.random.Generator) -> np.ndarray:
    if label == "hiss":
        return 0.1 * rng.standard_normal(1600)
    time = np.arange(1600) / SAMPLE_RATE_HZ
    return 0.1 * np.sin(2 * np.pi * 180 * time + rng.uniform(0, 6))


def write_corpus(folder: Path, sounds: list[tuple[np.ndarray, dict[str, str]]]) -> Path:
    folder.mkdir()
    rows = []
    for number, (waveform, labels) in enumerate(sounds):
        name = f"sound{number:03d}.wav"
        soundfile.write(folder / name, waveform, SAMPLE_RATE_HZ, subtype="PCM_16")
        rows.append({"path": name, **labels})
    manifest = folder / "manifest.csv"
    pd.DataFrame(rows).to_csv(manifest, index=False)
    return manifest


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the shard sets signal/{train,val} (word, speaker) and noise/{train,val} (texture, tags)."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    speech, noise = [], []
    for take in range(8):
        split = "val" if take >= 6 else "train"
        for word in WORDS:
            for speaker in SPEAKERS:
                labels = {"split": split, "word": word, "speaker": speaker}
                speech.append((spoken(word, speaker, rng), labels))
        for label in TEXTURES:
            tags = f"{label};steady" if take % 2 else label
            noise.append((texture(label, rng), {"split": split, "texture": label, "tags": tags}))
    settings = {"sample_rate_hz": SAMPLE_RATE_HZ, "num_workers": 1, "progress": False}
    build_shards(write_corpus(folder / "speech", speech), folder / "signal", one_label=("word", "speaker"), **settings)
    build_shards(
        write_corpus(folder / "sounds", noise),
        folder / "noise",
        one_label=("texture",),
        many_labels=("tags",),
        **settings,
    )
    return folder


@pytest.fixture
def config(corpus: Path, tmp_path: Path) -> dict:
    """A configuration, as a dictionary, that trains on the corpus in seconds."""
    return {
        "seed_everything": 1,
        "run_dir": str(tmp_path / "run"),
        "model": {
            "backbone": {
                "class_path": "networks.CochCNN9",
                "init_args": {"width": 0.05, "initialization": "kaiming"},
            },
            "front_end": {"class_path": "networks.Cochleagram", "init_args": FRONT_END},
            "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.003}},
        },
        "data": {
            "signal": str(corpus / "signal"),
            "noise": str(corpus / "noise"),
            "tasks": ["word", "speaker", {"name": "texture", "kind": "one_label", "side": "noise"}],
            "batch_size": 6,
            "num_workers": 0,
            "duration_s": 0.4,
            "sample_rate_hz": SAMPLE_RATE_HZ,
            "jitter_s": 0.02,
            "snr_db": [10.0, 30.0],
            "val_conditions": {"mixed": None, "quiet": float("inf")},
        },
        "brain": {"benchmarks": [], "figures": False},
        "run_page": False,
        "trainer": {"max_epochs": 2, "accelerator": "cpu", "enable_progress_bar": False},
    }


@pytest.fixture
def fit_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Path]:
    """Runs the command in this process; gives the run directory."""

    def run(config: dict, *arguments: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(config))
        monkeypatch.setattr(sys, "argv", ["train", "fit", "--config", str(path), *arguments])
        main()
        return Path(config["run_dir"])

    return run


@pytest.fixture
def tiny_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes "tiny" the name of a benchmark of 24 sounds of noise."""
    monkeypatch.setitem(BENCHMARKS, "tiny", tiny)
