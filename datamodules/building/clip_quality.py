"""What a build records of each clip's sound: its level, clipping and silence, and a digest to find copies."""

import hashlib
from typing import NamedTuple

import numpy as np

from datamodules.audio import rms

FULL_SCALE = 32_768
"""Value of 1.0 in 16-bit samples; their largest value is one less."""

CLIPPED_LEVEL = 0.999
"""Samples of at least this level count as clipped: recorders stop at full scale, resampling moves them a little."""

MANY_CLIPPED = 0.001
"""A clip with a larger fraction of clipped samples counts as clipped: single peaks are harmless."""

MANY_ZEROS = 0.1
"""A clip with a larger fraction of zeros counts as partly silent (Feather et al. 2019 left out such noise)."""

_DIGEST_LENGTH = 32


class ClipQuality(NamedTuple):
    """Measures of a clip's sound.

    Args:
        content: Digest of the 16-bit samples, the same for equal sounds.
        rms: Root mean square; 1.0 is full scale.
        clipped_fraction: Fraction of samples at full scale.
        zero_fraction: Fraction of samples that are zero in 16 bits.
        source_rate_hz: Sample rate of its file in Hz; 0 if an earlier release recorded the clip, in a build that is
            resumed.
    """

    content: str
    rms: float
    clipped_fraction: float
    zero_fraction: float
    source_rate_hz: int = 0


def clip_quality(waveform: np.ndarray, source_rate_hz: int) -> ClipQuality:
    """Measure a sound.

    Args:
        waveform: (T,) float with T at least 1.
        source_rate_hz: Sample rate of its file in Hz.

    Returns:
        The measures.
    """
    scaled = np.rint(np.asarray(waveform, dtype=np.float64) * FULL_SCALE)
    integers = np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1).astype("<i2")
    return ClipQuality(
        content=hashlib.sha256(integers.tobytes()).hexdigest()[:_DIGEST_LENGTH],
        rms=rms(waveform),
        clipped_fraction=float(np.mean(np.abs(waveform) >= CLIPPED_LEVEL)),
        zero_fraction=zero_fraction(waveform),
        source_rate_hz=source_rate_hz,
    )


def zero_fraction(waveform: np.ndarray) -> float:
    """Fraction of samples that are zero in 16 bits, 0 to 1."""
    return float(np.mean(np.abs(waveform) < 0.5 / FULL_SCALE))
