"""What a build notes of each clip's sound: whether it clips, how much of it is silence, and a digest to find copies."""

import hashlib
from typing import NamedTuple

import numpy as np

from datamodules.audio import rms

FULL_SCALE = 32_768
"""Value of 1.0 in 16-bit samples; the largest that they hold is one less."""

CLIPPED_LEVEL = 0.999
"""Samples from here on are taken for clipped: recorders stop at full scale, resampling moves them a little."""

MANY_CLIPPED = 0.001
"""A clip with more than this fraction of clipped samples counts as clipped: single peaks are harmless."""

MANY_ZEROS = 0.1
"""A clip with more than this fraction of zeros counts as partly silent (Feather et al. 2019 left such noise out)."""

_DIGEST_LENGTH = 32


class ClipQuality(NamedTuple):
    """Notes on a clip's sound.

    Args:
        content: digest of the 16-bit samples: equal sounds have equal ones.
        rms: root mean square, 1.0 being full scale.
        clipped_fraction: samples at full scale, as a part of all.
        zero_fraction: samples that are zero in 16 bits, as a part of all.
    """

    content: str
    rms: float
    clipped_fraction: float
    zero_fraction: float


def clip_quality(waveform: np.ndarray) -> ClipQuality:
    """Take notes on a sound.

    Args:
        waveform: (T,) float, T at least 1.

    Returns:
        The notes.
    """
    scaled = np.rint(np.asarray(waveform, dtype=np.float64) * FULL_SCALE)
    integers = np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1).astype("<i2")
    return ClipQuality(
        content=hashlib.sha256(integers.tobytes()).hexdigest()[:_DIGEST_LENGTH],
        rms=rms(waveform),
        clipped_fraction=float(np.mean(np.abs(waveform) >= CLIPPED_LEVEL)),
        zero_fraction=zero_fraction(waveform),
    )


def zero_fraction(waveform: np.ndarray) -> float:
    """Samples that are zero in 16 bits, as a part of all: 0 to 1."""
    return float(np.mean(np.abs(waveform) < 0.5 / FULL_SCALE))
