"""Mixing a signal into noise, as for the published networks (Feather et al. 2019). Pure numpy."""

import threading
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from datamodules.audio import PUBLISHED_RMS, demean, is_audible, rms, set_rms
from datamodules.shards.undecoded import Waveform

PUBLISHED_SNR_DB = (-10.0, 10.0)
"""Range of signal-to-noise ratios in training (Feather et al. 2019)."""

DEFAULT_JITTER_S = 0.1
"""The shortest words of the published data (four letters) last about 0.25 s: they still cover the middle."""

MAX_CROP_DRAWS = 10
"""How often a silent crop of a noise is drawn again before it is used as it is."""


class MixingError(ValueError):
    """Sounds that cannot be mixed; the message names them."""


class Mixture(NamedTuple):
    """A mixture.

    Args:
        waveform: (T,) float32.
        snr_db: Its signal-to-noise ratio; +inf without noise, -inf without signal.
    """

    waveform: np.ndarray
    snr_db: float


def mix(
    signal: np.ndarray | None,
    noise: np.ndarray | None,
    snr_db: float,
    *,
    rms_level: float = PUBLISHED_RMS,
    names: str = "signal and noise",
) -> Mixture:
    """Add noise to a signal at a signal-to-noise ratio, and set the level of the sum.

    Both are demeaned, the noise is scaled by rms_signal / (rms_noise * 10^(snr_db / 20)), and the sum is
    demeaned and scaled to `rms_level` (Feather et al. 2019). If one side is silent or None, the other alone is demeaned
    and scaled.

    Args:
        signal: (T,) float, or None.
        noise: (T,) float, or None.
        snr_db: Ratio of the two RMS in dB; +inf leaves out the noise, -inf the signal.
        rms_level: RMS of the result.
        names: What to call the sounds in an error.

    Returns:
        The mixture, with its actual ratio.

    Raises:
        MixingError: Both sides are silent, or the lengths differ.
    """
    if signal is not None and noise is not None and signal.shape != noise.shape:
        raise MixingError(f"{names}: signal has shape {signal.shape}, noise {noise.shape}; both must be equal")
    ratio_db = heard_ratio(signal, noise, snr_db, names=names)
    if ratio_db == np.inf:
        assert signal is not None
        return Mixture(set_rms(signal, rms_level), np.inf)
    if ratio_db == -np.inf:
        assert noise is not None
        return Mixture(set_rms(noise, rms_level), -np.inf)
    assert signal is not None
    assert noise is not None
    heard_signal, heard_noise = _scratch(len(signal), threading.get_ident())
    demean(signal, out=heard_signal)
    demean(noise, out=heard_noise)
    heard_noise *= rms(heard_signal) / (rms(heard_noise) * 10 ** (ratio_db / 20))
    heard_signal += heard_noise
    total = demean(heard_signal, out=heard_signal)
    level = rms(total)
    if level > 0:
        total *= rms_level / level
    return Mixture(total.astype(np.float32), ratio_db)


@lru_cache(maxsize=4)
def _scratch(num_samples: int, thread: int) -> tuple[np.ndarray, np.ndarray]:
    """Two (T,) float64 arrays to compute in: new ones would cost more in page faults than all of the mixing."""
    return np.empty(num_samples), np.empty(num_samples)


def heard_ratio(
    signal: np.ndarray | None, noise: np.ndarray | None, snr_db: float, *, names: str = "signal and noise"
) -> float:
    """Signal-to-noise ratio that a mixture will have, given that one side may be silent.

    Args:
        signal: (T,) float, or None.
        noise: (T,) float, or None.
        snr_db: Wanted ratio in dB; +inf leaves out the noise, -inf the signal.
        names: What to call the sounds in an error.

    Returns:
        `snr_db` if both are heard; +inf for the signal alone, -inf for the noise alone.

    Raises:
        MixingError: Both sides are silent.
    """
    hears_signal = signal is not None and snr_db != -np.inf and is_audible(signal)
    hears_noise = noise is not None and snr_db != np.inf and is_audible(noise)
    if hears_signal and hears_noise:
        return float(snr_db)
    if hears_signal or hears_noise:
        return np.inf if hears_signal else -np.inf
    raise MixingError(
        f"{names}: nothing to hear: all samples of the wanted stretch are zero. Remove such clips from the shards"
    )


def place_signal(
    waveform: Waveform, midpoint: int, num_samples: int, *, shift: int = 0, middle: int | None = None
) -> np.ndarray:
    """Cut the window of a clip whose middle is the clip's midpoint; zero beyond the ends of the clip.

    Args:
        waveform: (T,) float.
        midpoint: Sample of the clip, 0 to T - 1.
        num_samples: Length of the window in samples.
        shift: Samples of the clip from its midpoint to the window's middle. It is limited so that the window's middle
            stays on the clip, and with it a word that fills the clip.
        middle: Sample of the window that counts as its middle; by default half its length.

    Returns:
        (num_samples,) of the waveform's dtype.
    """
    centre = min(max(midpoint + shift, 0), len(waveform) - 1)
    first = centre - (num_samples // 2 if middle is None else middle)
    window = np.zeros(num_samples, dtype=waveform.dtype)
    stretch = waveform[max(first, 0) : max(first + num_samples, 0)]
    start = max(-first, 0)
    window[start : start + len(stretch)] = stretch
    return window


def draw_shift(rng: np.random.Generator, jitter_s: float, sample_rate_hz: int) -> int:
    """Draw a jitter in time, uniform between -jitter_s and jitter_s, in samples."""
    jitter = round(jitter_s * sample_rate_hz)
    return int(rng.integers(-jitter, jitter, endpoint=True))


def crop_signal(waveform: Waveform, num_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Cut a stretch of a signal at a random place; a shorter signal is put whole at a random place in silence.

    Args:
        waveform: (T,) float.
        num_samples: Wanted length in samples.
        rng: Source of random numbers.

    Returns:
        (num_samples,) of the waveform's dtype.
    """
    if len(waveform) >= num_samples:
        return crop_noise(waveform, num_samples, rng)
    window = np.zeros(num_samples, dtype=waveform.dtype)
    first = int(rng.integers(0, num_samples - len(waveform), endpoint=True))
    window[first : first + len(waveform)] = waveform
    return window


def crop_noise(waveform: Waveform, num_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Cut a stretch of a noise at a random place.

    A shorter noise is repeated in a loop from a random place. A silent stretch is drawn again, up to `MAX_CROP_DRAWS`
    times.

    Args:
        waveform: (T,) float.
        num_samples: Wanted length in samples.
        rng: Source of random numbers.

    Returns:
        (num_samples,) of the waveform's dtype.
    """
    crop = np.zeros(num_samples, dtype=waveform.dtype)
    for _ in range(MAX_CROP_DRAWS):
        if len(waveform) >= num_samples:
            first = int(rng.integers(0, len(waveform) - num_samples, endpoint=True))
            crop = waveform[first : first + num_samples]
        else:
            first = int(rng.integers(0, len(waveform)))
            crop = np.resize(np.roll(waveform, -first), num_samples)
        if is_audible(crop):
            break
    return crop
