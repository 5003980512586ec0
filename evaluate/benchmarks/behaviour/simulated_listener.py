"""A simulated listener, who hears the demo's words in sound textures: human values without a download.

Its accuracy follows a psychometric function of the SNR, which differs between kinds of background:

    p = chance + (1 - lapses - chance) / (1 + exp(-(snr - threshold) / slope))

with the sampling error of `NUM_LISTENER_TRIALS` trials per condition. Networks that were trained on the demo's words
(`python -m datamodules demo`) can name the words; the voices and textures are the demo's, other clips of them.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from datamodules.audio import PUBLISHED_RMS, PUBLISHED_SAMPLE_RATE_HZ, fit_length, resample, set_rms
from datamodules.batches.mixing import mix
from evaluate.benchmarks.behaviour.listeners import make_listeners
from evaluate.benchmarks.behaviour.trials import Trials, condition_name
from evaluate.benchmarks.benchmark import Benchmark
from evaluate.metrics.standard_errors import fraction_error

if TYPE_CHECKING:
    import pandas as pd

NAME = "simulated_listener"
_VERSION = "1"
"""Increase it when sounds or values change."""

NUM_WORDS, NUM_VOICES = 20, 2
SNRS_DB = (-9.0, -6.0, -3.0, 0.0, 3.0, 6.0)
THRESHOLDS_DB = {"noise": -1.0, "applause": -4.0, "birds": -9.0}
"""SNR at which half of the words that can be recognised are, in each texture: sparse ones mask less."""
SLOPE_DB = 2.5
CHANCE, LAPSES = 1 / NUM_WORDS, 0.03
NUM_LISTENER_TRIALS = 200
DURATION_S = 2.0
_WORDS_PER_MINUTE = 150
_SEED = 4
"""Seed of backgrounds and values; those of the demo's clips have others."""


class _Trial(NamedTuple):
    word: str
    voice: int
    background: str
    snr_db: float

    @property
    def condition(self) -> str:
        return condition_name(self.background, self.snr_db)


def simulated_listener() -> Benchmark:
    """Build the benchmark "simulated_listener".

    Returns:
        Trials of the demo's words in `THRESHOLDS_DB` at `SNRS_DB`, and without a background.

    Raises:
        ImportError: The package espeakng-loader is missing.
    """
    listed = _trials()
    trials = Trials(
        task="word",
        labels=tuple(trial.word for trial in listed),
        conditions=tuple(trial.condition for trial in listed),
        humans=human_values(),
    )
    return make_listeners(
        name=NAME,
        version=_VERSION,
        waveforms=_waveforms,
        trials=trials,
        sound_names=tuple(f"{trial.word} {trial.voice}" for trial in listed),
        citation="A simulated listener to synthesised words (cochlearn); no human data.",
    )


def expected_accuracy(background: str, snr_db: float) -> float:
    """Accuracy of the listener without sampling error; no background is an SNR of infinity."""
    threshold = THRESHOLDS_DB.get(background, 0.0)
    return CHANCE + (1 - LAPSES - CHANCE) / (1 + np.exp(-(snr_db - threshold) / SLOPE_DB))


def human_values() -> pd.DataFrame:
    """Draw the listener's answers: condition, accuracy, and its standard error."""
    import pandas as pd

    rng = np.random.default_rng(_SEED)
    conditions = dict.fromkeys((trial.background, trial.snr_db) for trial in _trials())
    rows = []
    for background, snr_db in conditions:
        accuracy = rng.binomial(NUM_LISTENER_TRIALS, expected_accuracy(background, snr_db)) / NUM_LISTENER_TRIALS
        error = fraction_error(accuracy, NUM_LISTENER_TRIALS)
        rows.append((condition_name(background, snr_db), accuracy, error))
    return pd.DataFrame(rows, columns=["condition", "accuracy", "error"])


def _trials() -> list[_Trial]:
    """Every word in every voice, in each condition."""
    from datamodules.demo.words import WORDS

    conditions = [("", np.inf), *((kind, snr) for kind in THRESHOLDS_DB for snr in SNRS_DB)]
    return [
        _Trial(word, voice, background, snr_db)
        for background, snr_db in conditions
        for word in WORDS[:NUM_WORDS]
        for voice in range(NUM_VOICES)
    ]


def _waveforms(sample_rate_hz: int, num_samples: int) -> np.ndarray:
    """Make all sounds (S, T) float32, resampled from 20 kHz, cut or zero-padded, demeaned and at RMS 0.1."""
    sounds = (resample(sound.copy(), PUBLISHED_SAMPLE_RATE_HZ, sample_rate_hz) for sound in _synthesised())
    return np.stack([set_rms(fit_length(sound, num_samples), PUBLISHED_RMS) for sound in sounds])


@lru_cache(maxsize=1)
def _synthesised() -> np.ndarray:
    """Speak and mix all sounds at 20 kHz, (S, T) float32; cached and read-only."""
    from datamodules.demo.speech import Synthesiser
    from datamodules.demo.textures import BENCHMARK_KEY, synthesise_texture

    synthesiser = Synthesiser()
    voices = synthesiser.voices()
    num_samples = round(DURATION_S * PUBLISHED_SAMPLE_RATE_HZ)
    spoken: dict[tuple[str, int], np.ndarray] = {}
    sounds = np.empty((len(_trials()), num_samples), dtype=np.float32)

    @cache
    def texture(background: str, place: int) -> np.ndarray:
        return synthesise_texture(background, seed=(BENCHMARK_KEY, _SEED, place), duration_s=DURATION_S)

    for number, trial in enumerate(_trials()):
        if (trial.word, trial.voice) not in spoken:
            said = synthesiser.speak(trial.word, voice=voices[trial.voice], words_per_minute=_WORDS_PER_MINUTE)
            sound = resample(said.waveform.copy(), said.sample_rate_hz, PUBLISHED_SAMPLE_RATE_HZ)
            spoken[trial.word, trial.voice] = _in_the_middle(sound, num_samples)
        # Each spoken word has its own clip of every texture, the same at all SNRs.
        noise = texture(trial.background, number % (NUM_WORDS * NUM_VOICES)) if trial.background else None
        sounds[number] = mix(spoken[trial.word, trial.voice], noise, trial.snr_db).waveform
    sounds.flags.writeable = False
    return sounds


def _in_the_middle(sound: np.ndarray, num_samples: int) -> np.ndarray:
    """Cut or pad a sound to a length on both sides, as words are heard in training."""
    start = max(0, (len(sound) - num_samples) // 2)
    sound = sound[start : start + num_samples]
    before = (num_samples - len(sound)) // 2
    return np.pad(sound, (before, num_samples - len(sound) - before))
