"""Features of random crops of sound files, for the transfer check."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from datamodules.audio import demean, fit_length, read_audio, set_rms
from datamodules.progress import ReportProgress
from evaluate.features.activations import stage_activations
from evaluate.options import DEFAULT_BATCH_SIZE, PUBLISHED_NUM_CROPS

_MAX_CROP_DRAWS = 10
"""How often a silent crop is drawn again: sounds of ESC-50 are filled up with zeros to 5 s."""

NUM_SOUNDS_PER_ROUND = 32
"""So many sounds are in memory at once."""

"""Called as `progress(what, num_done, num_total)`."""


def random_crops(
    waveform: np.ndarray, num_samples: int, rng: np.random.Generator, *, num_crops: int = PUBLISHED_NUM_CROPS
) -> np.ndarray:
    """Cut stretches from random places of a sound and set their level.

    A silent stretch is drawn again, up to `_MAX_CROP_DRAWS` times; a sound shorter than a crop gets zeros at its end.

    Args:
        waveform: (T,) float.
        num_samples: Length of a crop in samples.
        rng: Random numbers.
        num_crops: How many, at least 1.

    Returns:
        (num_crops, num_samples) float32, each demeaned and of RMS 0.1 (a silent one is zero).
    """
    padded = fit_length(waveform, max(len(waveform), num_samples))
    crops = np.empty((num_crops, num_samples), dtype=np.float32)
    for number in range(num_crops):
        for _ in range(_MAX_CROP_DRAWS):
            first = int(rng.integers(0, len(padded) - num_samples, endpoint=True))
            crop = padded[first : first + num_samples]
            if demean(crop).any():
                break
        crops[number] = set_rms(crop)
    return crops


def crop_features(
    net: nn.Module,
    paths: Sequence[Path],
    *,
    stages: Sequence[str],
    num_crops: int = PUBLISHED_NUM_CROPS,
    seed: int = 0,
    batch_size: int = DEFAULT_BATCH_SIZE,
    device: torch.device | str | None = None,
    progress: ReportProgress | None = None,
) -> dict[str, np.ndarray]:
    """Record what stages do with random crops of sound files, averaged over time.

    Crops depend on the seed and the sound's place in the list alone, so that all networks that take sounds of one
    length and rate hear the same ones.

    Args:
        net: Network with named stages.
        paths: (S,) sound files; read and resampled a few at a time.
        stages: Stages wanted.
        num_crops: Crops per sound, P.
        seed: Seed of the crops.
        batch_size: Crops per forward pass.
        device: Where they go; None for where the network is.
        progress: Called as `progress("activations", num_sounds_done, num_sounds)`.

    Returns:
        (S, P, D) float32 of each stage, in the network's order.

    Raises:
        AudioError: A file that cannot be read; names it.
        StageError: A stage is unknown, or its activations are not finite.
    """
    rate_hz, num_samples = int(net.sample_rate_hz), int(net.num_samples)  # type: ignore[arg-type]
    found: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(paths), NUM_SOUNDS_PER_ROUND):
        places = range(start, min(start + NUM_SOUNDS_PER_ROUND, len(paths)))
        crops = [
            random_crops(
                read_audio(paths[place], sample_rate_hz=rate_hz),
                num_samples,
                np.random.default_rng((seed, place)),
                num_crops=num_crops,
            )
            for place in places
        ]
        features = stage_activations(net, np.concatenate(crops), stages=stages, batch_size=batch_size, device=device)
        for stage, values in features.items():
            found.setdefault(stage, []).append(values.reshape(len(places), num_crops, -1))
        if progress:
            progress("activations", places.stop, len(paths))
    return {stage: np.concatenate(parts) for stage, parts in found.items()}
