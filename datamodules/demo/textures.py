"""Labelled sound textures, synthesised in NumPy.

Each class is a small stochastic model of how such sounds arise, in the spirit of the statistics that listeners use
(McDermott & Simoncelli 2011, Neuron 71:926): event rates, spectra, modulation. The parameters of the model are drawn
again for each clip, so that a class is a category with variation rather than a single sound.
"""

import zlib
from collections.abc import Sequence

import numpy as np

from datamodules.audio import PUBLISHED_RMS, PUBLISHED_SAMPLE_RATE_HZ, set_rms
from datamodules.demo.texture_models import TEXTURE_MODELS

LOWEST_SAMPLE_RATE_HZ = 8000
"""Below this, several classes would lose the band that distinguishes them."""

SHORTEST_S = 0.5
"""Shorter clips may fall between two events of the sparse classes."""

TRAIN_KEY, VAL_KEY, BENCHMARK_KEY = 1, 2, 3
"""First number of a clip's seed: training, validation and benchmark sounds never share a seed."""

TEXTURE_LABELS = tuple(TEXTURE_MODELS)
"""The classes, in alphabetical order."""


def synthesise_texture(
    label: str,
    *,
    seed: int | Sequence[int],
    sample_rate_hz: int = PUBLISHED_SAMPLE_RATE_HZ,
    duration_s: float = 2.0,
) -> np.ndarray:
    """Make one clip of a sound texture.

    Args:
        label: One of `TEXTURE_LABELS`.
        seed: Number or numbers, at least 0, that determine the clip together with the label. The same ones give the
            same bytes (on one machine with one version of NumPy).
        sample_rate_hz: Sample rate in Hz, at least 8000.
        duration_s: Length in seconds, at least 0.5.

    Returns:
        (T,) float32 with mean 0 and RMS 0.1; the peaks of sparse sounds may exceed 1.

    Raises:
        ValueError: The label is unknown, or the sample rate or duration too small.
    """
    if label not in TEXTURE_MODELS:
        raise ValueError(f"unknown sound texture {label!r}; the textures are {', '.join(TEXTURE_LABELS)}")
    if sample_rate_hz < LOWEST_SAMPLE_RATE_HZ:
        raise ValueError(f"textures need sample_rate_hz of at least 8000, got {sample_rate_hz}")
    if duration_s < SHORTEST_S:
        raise ValueError(f"textures need duration_s of at least {SHORTEST_S}, got {duration_s}")
    numbers = np.ravel(seed).tolist()
    rng = np.random.default_rng([zlib.crc32(label.encode()), *numbers])
    waveform = TEXTURE_MODELS[label](rng, round(duration_s * sample_rate_hz), sample_rate_hz)
    return set_rms(waveform, PUBLISHED_RMS)
