"""Sounds of trials: files as they are, or mixed with a background at an SNR."""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from datamodules.audio import fit_length, read_audio
from datamodules.batches.mixing import MixingError, mix
from evaluate.benchmarks.problems import BenchmarkError
from evaluate.benchmarks.sound_files import NUM_CACHED_RATES, SILENT, SoundFile, is_silent
from evaluate.features.heard_lengths import warn_if_cut


class Mixed(NamedTuple):
    """A sound, and what it is mixed with."""

    sound: SoundFile
    noise: SoundFile | None = None
    snr_db: float = np.inf


class MixedSounds:
    """The sounds of trials: `waveforms(sample_rate_hz, num_samples)` returns (S, T) float32.

    Each sound is cut or zero-padded to the length, then the beginning of its background is added at its SNR as in
    training (`datamodules.batches.mixing.mix`), and the sum is demeaned and set to RMS 0.1.

    Args:
        mixtures: One per trial.
    """

    def __init__(self, mixtures: Sequence[Mixed]) -> None:
        self.mixtures = tuple(mixtures)
        self._make_all = lru_cache(maxsize=NUM_CACHED_RATES)(self._make_uncached)

    def __call__(self, sample_rate_hz: int, num_samples: int) -> np.ndarray:
        """Make all sounds as (S, T) float32; errors name a file that cannot be used."""
        return self._make_all(sample_rate_hz, num_samples).astype(np.float32, copy=True)

    def _make_uncached(self, sample_rate_hz: int, num_samples: int) -> np.ndarray:
        @cache  # a word is heard in many conditions
        def read(file: SoundFile) -> np.ndarray:
            return read_audio(file.opened(), sample_rate_hz=sample_rate_hz)

        sounds = []
        for each in self.mixtures:
            noise = None if each.noise is None else read(each.noise)
            sounds.append(_mixed(each, read(each.sound), noise, num_samples))
        files = {each.sound.path: len(read(each.sound)) for each in self.mixtures}
        warn_if_cut(list(files), list(files.values()), num_samples, sample_rate_hz)
        return np.stack(sounds)


def _mixed(mixture: Mixed, sound: np.ndarray, noise: np.ndarray | None, num_samples: int) -> np.ndarray:
    sound = fit_length(sound, num_samples)
    if is_silent(sound):
        raise BenchmarkError(f"{mixture.sound.path}: {SILENT}")
    if noise is not None and mixture.noise is not None:
        if len(noise) < num_samples:
            raise BenchmarkError(
                f"{mixture.noise.path}: the background has {len(noise)} samples, expected at least the {num_samples} "
                "that the network hears"
            )
        noise = noise[:num_samples]
    try:
        return mix(sound, noise, mixture.snr_db if noise is not None else np.inf).waveform
    except MixingError as error:
        raise BenchmarkError(f"{mixture.sound.path}: {error}") from error
