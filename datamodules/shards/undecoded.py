"""Sounds that are decoded only where they are heard."""

from collections.abc import Callable
from typing import Any

import numpy as np

WHOLE_FROM = 0.75
"""Fraction of a sound from which on all of it is decoded, and kept: finding the start of a stretch takes time, too."""


class UndecodedWaveform:
    """The waveform of a clip, decoded when a stretch of it is taken.

    It has a length and stretches `waveform[first:stop]`, equal to those of the whole array, and becomes that array in
    numpy's functions. An example of 2 s from a clip of 10 s takes a quarter of the time of decoding it all.

    Args:
        num_samples: Length T of the sound.
        decode: Called as `decode(first, num_samples)`, returns that stretch as float32.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, num_samples: int, decode: Callable[[int, int], np.ndarray]) -> None:
        self._num_samples, self._decode = num_samples, decode
        self._whole: np.ndarray | None = None

    def __len__(self) -> int:
        return self._num_samples

    def __getitem__(self, stretch: slice) -> np.ndarray:
        first, stop, step = stretch.indices(self._num_samples)
        if step != 1:
            raise ValueError(f"a stretch of a sound has the step 1, got {step}")
        num_samples = max(stop - first, 0)
        if self._whole is None and num_samples < WHOLE_FROM * self._num_samples:
            return self._decode(first, num_samples) if num_samples else np.zeros(0, dtype=self.dtype)
        return self.whole()[stretch]

    def whole(self) -> np.ndarray:
        """All of it, (T,) float32."""
        if self._whole is None:
            self._whole = self._decode(0, self._num_samples)
        return self._whole

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.whole(), dtype=dtype, copy=copy)


Waveform = np.ndarray | UndecodedWaveform
"""(T,) float32, decoded or not."""
