"""What balanced sampling does for rare classes: average precision on a corpus with class sizes of 100:1.

Run `python -m tests.benchmarks.sampling`. Twelve classes of modulated bands of noise in a background, with 300 to 3
training clips and 20 for validation each, are learnt by a narrow CochCNN9 as a task with many labels: as they occur,
balanced, and balanced with augmentation. Which class is how rare changes with the seed.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from rich.console import Console
from rich.table import Table
from sklearn.metrics import average_precision_score

from datamodules import (
    AuditoryDataModule,
    BalancedSampling,
    Equalization,
    FrequencyMask,
    LabelSet,
    NewClip,
    Speed,
    TimeMask,
    write_index,
    write_shard,
)
from datamodules.demo.primitives import band_pass, filtered_noise
from networks import CochCNN9, Cochleagram
from train.learning.module import AuditoryModule

RATE_HZ, NUM_SAMPLES = 2000, 1600
CENTRES_HZ, RATES_HZ = (150, 270, 480, 800), (2.0, 6.0, 16.0)
CLASSES = tuple((centre, rate) for centre in CENTRES_HZ for rate in RATES_HZ)
LABELS = tuple(f"{centre} Hz at {rate:g} Hz" for centre, rate in CLASSES)
SIZES = np.geomspace(300, 3, len(CLASSES)).round().astype(int)
NUM_VALIDATION, NUM_RAREST = 20, 4
KINDS = ("as they occur", "balanced", "balanced, augmented")


def sound(rng: np.random.Generator, centre_hz: float, rate_hz: float) -> np.ndarray:
    """Noise around a frequency, modulated at a rate, in a background at 0 dB."""
    times = np.arange(NUM_SAMPLES) / RATE_HZ
    carrier = filtered_noise(rng, NUM_SAMPLES, RATE_HZ, band_pass(centre_hz * rng.uniform(0.9, 1.1), 0.25))
    envelope = 1 + np.sin(2 * np.pi * (rate_hz * rng.uniform(0.85, 1.15) * times + rng.uniform()))
    foreground = carrier * envelope
    return 0.05 * (foreground / foreground.std() + rng.standard_normal(NUM_SAMPLES))


def write_corpus(folder: Path, sizes: np.ndarray, seed: int) -> None:
    """Shards with so many training clips of each class."""
    rng = np.random.default_rng(seed)
    for split, counts in (("train", sizes), ("val", np.full(len(CLASSES), NUM_VALIDATION))):
        (folder / split).mkdir(parents=True)

        def clips(split: str = split, counts: np.ndarray = counts) -> Iterator[NewClip]:
            for number, (kind, label) in enumerate(zip(CLASSES, LABELS, strict=True)):
                for i in range(counts[number]):
                    yield NewClip(f"{split}-{number}-{i}", sound(rng, *kind), NUM_SAMPLES // 2, {"tag": (label,)})

        shard = write_shard(folder / split / "shard-000000.tar", clips(), sample_rate_hz=RATE_HZ)
        label_sets = {"tag": LabelSet("many_labels", LABELS, None)}
        write_index(folder / split, [shard], label_sets=label_sets, sample_rate_hz=RATE_HZ)


def precisions(folder: Path, kind: str, *, num_epochs: int, seed: int) -> np.ndarray:
    """Average precision of each class on the validation clips, (C,)."""
    augmentation = [Speed(), Equalization(), TimeMask(), FrequencyMask(most=0.2)]
    data = AuditoryDataModule(
        signal=str(folder),
        tasks=[{"name": "tag", "null_label": None}],
        batch_size=32,
        num_workers=0,
        duration_s=NUM_SAMPLES / 2 / RATE_HZ,
        sample_rate_hz=RATE_HZ,
        seed=seed,
        signal_sampling=None if kind == KINDS[0] else BalancedSampling("tag"),
        augmentation=augmentation if kind == KINDS[2] else None,
    )
    torch.manual_seed(seed)
    front_end = Cochleagram(
        sample_rate_hz=RATE_HZ,
        num_samples=data.num_samples,
        num_filters=16,
        high_hz=1000.0,
        frame_rate_hz=100.0,
        num_taps=81,
    )
    module = AuditoryModule(
        backbone=CochCNN9(width=0.1, initialization="kaiming"),
        tasks=data.tasks,
        front_end=front_end,
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=0.001),
        val_conditions=data.condition_names,
        loss_weights={"tag": 10.0},
    )
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=num_epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        use_distributed_sampler=False,
    )
    trainer.fit(module, data)
    module.eval()
    with torch.inference_mode():
        batches = [(module(batch["waveform"])["tag"], batch["targets"]["tag"]) for batch in data.val_dataloader()[0]]
    logits, targets = (torch.cat(values).numpy() for values in zip(*batches, strict=True))
    return np.array([average_precision_score(targets[:, c], logits[:, c]) for c in range(len(CLASSES))])


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-epochs", type=int, default=15)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    table = Table("seed", "drawn", f"rarest {NUM_RAREST} classes", "all classes", title="average precision")
    for seed in range(arguments.seeds):
        order = np.random.default_rng(seed).permutation(len(CLASSES))  # from the most common to the rarest
        sizes = np.empty_like(SIZES)
        sizes[order] = SIZES
        with tempfile.TemporaryDirectory() as name:
            write_corpus(Path(name), sizes, seed)
            for kind in KINDS:
                found = precisions(Path(name), kind, num_epochs=arguments.num_epochs, seed=seed)
                table.add_row(str(seed), kind, f"{found[order[-NUM_RAREST:]].mean():.2f}", f"{found.mean():.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
