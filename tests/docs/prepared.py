"""Files that examples of pages read: a checkpoint of the demo, sounds and responses of a user."""

from pathlib import Path

import numpy as np
import soundfile
import torch

from networks import AuditoryNetwork, CochCNN9, save_checkpoint

NUM_SOUNDS, NUM_UNITS, NUM_REPETITIONS = 8, 6, 2
WORDS = ["left", "right", "up"]


def prepare(folder: Path) -> None:
    """Write `runs/demo/checkpoints/last.ckpt`, `sounds/*.wav` and `responses.npy` into a folder."""
    torch.manual_seed(0)
    network = AuditoryNetwork(CochCNN9(width=0.05), {"word": len(WORDS)})
    tasks = [{"name": "word", "kind": "one_label", "side": "signal", "labels": WORDS}]
    save_checkpoint(network, folder / "runs" / "demo" / "checkpoints" / "last.ckpt", run="demo", step=1, tasks=tasks)
    rng = np.random.default_rng(0)
    (folder / "sounds").mkdir()
    for number in range(NUM_SOUNDS):
        name = "dog" if number == 0 else f"sound{number}"
        noise = 0.1 * rng.standard_normal(2 * 16_000) * np.hanning(2 * 16_000) ** number
        soundfile.write(folder / "sounds" / f"{name}.wav", noise, 16_000)
    np.save(folder / "responses.npy", rng.standard_normal((NUM_SOUNDS, NUM_UNITS, NUM_REPETITIONS)))
