"""Features of random crops of sound files, for linear probes."""

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
"""Maximum number of draws to avoid a silent crop: sounds of ESC-50 are padded with zeros to 5 s."""

NUM_SOUNDS_PER_ROUND = 32
"""Number of sounds in memory at once."""


def random_crops(
    waveform: np.ndarray, num_samples: int, rng: np.random.Generator, *, num_crops: int = PUBLISHED_NUM_CROPS
) -> np.ndarray:
    """Cut crops at random positions of a sound and set their level.

    A silent crop is drawn again, up to `_MAX_CROP_DRAWS` times in all. A sound shorter than a crop is padded with zeros
    at its end.

    Args:
        waveform: (T,) float.
        num_samples: Length of a crop in samples.
        rng: Random generator.
        num_crops: Number of crops, at least 1.

    Returns:
        (num_crops, num_samples) float32, each with mean 0 and RMS 0.1 (a silent one is zero).
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
    sounds: Sequence[Path] | np.ndarray,
    *,
    stages: Sequence[str],
    num_crops: int = PUBLISHED_NUM_CROPS,
    seed: int = 0,
    batch_size: int = DEFAULT_BATCH_SIZE,
    device: torch.device | str | None = None,
    progress: ReportProgress | None = None,
) -> dict[str, np.ndarray]:
    """Record the time-averaged activations of stages for random crops of sounds.

    Crops depend only on the seed and on the position of the sound in the list: all networks with the same duration and
    sample rate of sounds get the same crops.

    Args:
        net: Network with named stages.
        sounds: (S,) sound files, read and resampled a few at a time; or waveforms (S, T) at the network's sample rate.
        stages: Stages to record.
        num_crops: Number of crops per sound, P.
        seed: Seed of the crops.
        batch_size: Crops per forward pass.
        device: Device of the crops; None for that of the network.
        progress: Called as `progress("activations", num_sounds_done, num_sounds)`.

    Returns:
        Features (S, P, D) in float32 by stage, in the network's order.

    Raises:
        AudioError: A file cannot be read; the message names it.
        StageError: A stage is unknown, or its activations are not finite.
    """
    rate_hz, num_samples = int(net.sample_rate_hz), int(net.num_samples)  # type: ignore[arg-type]
    found: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(sounds), NUM_SOUNDS_PER_ROUND):
        if progress:
            progress("activations", start, len(sounds))
        places = range(start, min(start + NUM_SOUNDS_PER_ROUND, len(sounds)))
        crops = [
            random_crops(
                sounds[place] if isinstance(sounds, np.ndarray) else read_audio(sounds[place], sample_rate_hz=rate_hz),
                num_samples,
                np.random.default_rng((seed, place)),
                num_crops=num_crops,
            )
            for place in places
        ]
        features = stage_activations(
            net,
            np.concatenate(crops),
            stages=stages,
            batch_size=batch_size,
            device=device,
            progress=progress and _in_sounds(progress, start, num_crops, len(sounds)),
        )
        for stage, values in features.items():
            found.setdefault(stage, []).append(values.reshape(len(places), num_crops, -1))
    return {stage: np.concatenate(parts) for stage, parts in found.items()}


def _in_sounds(progress: ReportProgress, num_before: int, num_crops: int, num_sounds: int) -> ReportProgress:
    """Report crops of some sounds, which follow others, as sounds."""
    return lambda what, num_done, _: progress(what, num_before + num_done // num_crops, num_sounds)
