"""Slower or faster at the same pitch: a phase vocoder."""

import numpy as np
import scipy.fft

OVERLAP = 4
"""Frames that cover each sample."""

_TINY = np.finfo(np.float32).tiny


def stretched(waveform: np.ndarray, factor: float, *, frame: int) -> np.ndarray:
    """Stretch a sound in time.

    Frames X_k of the result are a hop apart; those of the sound that they are made from, a hop / factor. A frame keeps
    its magnitudes. Its phases are those of the frame before plus what they advance in the sound over one hop; those of
    the frame before are taken together with the neighbours of each bin, which keeps the bins of a partial in phase
    (Puckette 1995).

    Args:
        waveform: (T,) float32.
        factor: Above 1 is longer.
        frame: Length of a frame in samples, a multiple of `OVERLAP`.

    Returns:
        (round(T * factor),) float32; its first and last frame are incomplete.
    """
    hop, num_samples = frame // OVERLAP, round(len(waveform) * factor)
    starts = np.arange(-(-num_samples // hop) + OVERLAP) * hop  # of the frames of the result, which begins at `frame`
    sources = np.rint((starts - frame / 2) / factor + frame / 2).astype(np.int64)
    framed = np.lib.stride_tricks.sliding_window_view(np.pad(waveform, (2 * frame, 2 * frame + hop)), frame)
    window = np.hanning(frame + 1)[:-1].astype(np.float32)
    spectra, before = (
        scipy.fft.rfft(framed[np.clip(sources + offset, 0, len(framed) - 1)] * window, axis=1)
        for offset in (frame, frame - hop)
    )
    frames = scipy.fft.irfft(_continued(spectra, before), frame, axis=1) * window
    return _added(frames, window, hop)[frame : frame + num_samples]


def _continued(spectra: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Frames (K, F) with the magnitudes of `spectra`, whose phases advance as from `before` to `spectra`."""
    turns, sizes = spectra * before.conj(), np.abs(spectra)
    result = np.empty_like(spectra)
    result[0] = previous = spectra[0]
    for k in range(1, len(spectra)):
        locked = previous.copy()
        locked[1:-1] -= previous[:-2] + previous[2:]  # neighbours of a partial have opposite signs in a Hann window
        locked *= turns[k]
        length = np.abs(locked)
        # A sound that begins has no phases to continue: it keeps its own.
        previous = np.where(length > _TINY, locked / np.maximum(length, _TINY) * sizes[k], spectra[k])
        result[k] = previous
    return result


def _added(frames: np.ndarray, window: np.ndarray, hop: int) -> np.ndarray:
    """Add overlapping frames (K, L), and divide by the sum of the squared windows."""
    blocks = frames.reshape(len(frames), OVERLAP, hop)
    total = np.zeros((len(frames) + OVERLAP - 1, hop), dtype=np.float32)
    for place in range(OVERLAP):
        total[place : place + len(frames)] += blocks[:, place]
    weight = np.square(window).reshape(OVERLAP, hop).sum(axis=0)  # the same for every block but those at the ends
    result: np.ndarray = (total / weight).ravel()
    return result
