"""A simulated auditory cortex: units with known drives, to check scores against the truth.

The response of a unit to stimulus s in repetition r is

    y(s, r) = x(s) + sigma * noise(s, r),   sigma^2 = 1 / reliability - 1

The signal x has mean 0 and variance 1 over stimuli: 85 % of its variance is the unit's drive, 15 % (`SECOND_SHARE`) a
second drive of the kind "band". Two repetitions have the correlation `reliability` on average, and the explainable
variance of the mean of three is `3 reliability / (1 + 2 reliability)` (Spearman-Brown).

Regions, and their kinds of drive:

- Primary. `band`: energy around a frequency; `modulation`: energy at a spectrotemporal modulation; `pitch`: pitch
  strength.
- Anterior. `music`: 1 for music, 0.5 for bells and harmonic complexes; `voice`: 1 for speech and held vowels.
- Lateral. `speech`: 1 for speech; `word`: a random value for each word in any voice, 0 for other sounds; `vowel`: a
  random value for each vowel, in words or held, in any voice, 0 for other sounds. The values of words, and of vowels,
  have mean 0, so that these units do not just distinguish speech from other sounds.
- Posterior. `category`: a random value for each of the eleven categories; `texture`: a random value for each class of
  sound texture.

Acoustic drives are functions of the sounds, the others of their labels. The late stages of a network that recognises
words, speakers and textures in any voice or clip should predict these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from datamodules.audio import PUBLISHED_SAMPLE_RATE_HZ
from evaluate.benchmarks.benchmark import Benchmark
from evaluate.benchmarks.simulated import acoustic_drives as acoustic
from evaluate.benchmarks.simulated.formant_voice import VOWELS, WORDS
from evaluate.benchmarks.simulated.sounds import (
    CATEGORY_SHARES,
    DURATION_S,
    TEXTURES_OF,
    Stimulus,
    stimuli,
    waveforms,
)

if TYPE_CHECKING:
    import pandas as pd


NAME = "simulated"
_VERSION = "1"
"""Increase it when sounds or responses change."""

_NUM_REPETITIONS = 3
SECOND_SHARE = 0.15
"""Fraction of a signal's variance from its second, acoustic drive: real units are mixed."""

REGION_DRIVES: dict[str, tuple[str, ...]] = {
    "Primary": ("band", "band", "modulation", "modulation", "pitch"),
    "Anterior": ("music", "voice"),
    "Lateral": ("speech", "word", "vowel"),
    "Posterior": ("category", "texture"),
}
"""Kinds of drive of each region, which its units take in turn."""

PRIMARY_SHARE = 0.4
"""Fraction of a subject's units in Primary; the other regions share the rest equally."""

_CITATION = "Simulated responses to synthesised sounds (cochlearn); no recording."


@dataclass(frozen=True)
class SimulatedUnits:
    """The true signals and drives of the units.

    Attributes:
        signals: (S, V) noise-free responses with mean 0 and variance 1 over stimuli.
        units: V rows: unit, subject, region, drive (its kind), detail (its tuning), reliability.
    """

    signals: np.ndarray
    units: pd.DataFrame


def simulated_cortex(
    *,
    num_stimuli: int = 165,
    num_subjects: int = 3,
    units_per_subject: int = 80,
    reliability: tuple[float, float] = (0.3, 0.9),
    seed: int = 0,
) -> Benchmark:
    """Build the benchmark "simulated".

    Args:
        num_stimuli: Number of stimuli S, at least 55. The sounds depend only on this number.
        num_subjects: Number of subjects, at least 2; each has its own randomly drawn units.
        units_per_subject: Number of units, at least 20.
        reliability: Bounds, from 0 to 1, of the units' randomly drawn correlation between repetitions.
        seed: Seed of units and noise.

    Returns:
        A benchmark of voxels with three repetitions and the regions Primary, Anterior, Lateral and Posterior. Its unit
        table also has the columns drive, detail and reliability.

    Raises:
        ValueError: A number is out of its range.
    """
    truth = simulate_units(
        num_stimuli=num_stimuli,
        num_subjects=num_subjects,
        units_per_subject=units_per_subject,
        reliability=reliability,
        seed=seed,
    )
    listed = stimuli(num_stimuli)
    return Benchmark(
        name=NAME,
        version=_VERSION,
        stimulus_names=tuple(stimulus.name for stimulus in listed),
        waveforms=partial(waveforms, num_stimuli),
        responses=add_noise(truth.signals, truth.units["reliability"].to_numpy(), seed=seed),
        units=truth.units,
        categories=tuple(stimulus.category for stimulus in listed),
        noise_corrected=True,
        citation=_CITATION,
        unit_kind="voxel",
        unit_name="voxel",
    )


def simulate_units(
    *,
    num_stimuli: int = 165,
    num_subjects: int = 3,
    units_per_subject: int = 80,
    reliability: tuple[float, float] = (0.3, 0.9),
    seed: int = 0,
) -> SimulatedUnits:
    """Draw units and compute their noise-free responses; arguments and errors as for `simulated_cortex`."""
    import pandas as pd

    if num_subjects < 2 or units_per_subject < 20:
        raise ValueError(
            "the simulated cortex expected num_subjects of at least 2 and units_per_subject of at least 20, got "
            f"{num_subjects} and {units_per_subject}"
        )
    if not 0 < reliability[0] <= reliability[1] <= 1:
        raise ValueError(f"reliability must be two increasing numbers above 0 and up to 1, got {reliability}")
    drives = _Drives(num_stimuli)
    rows, signals = [], []
    for subject in range(num_subjects):
        rng = np.random.default_rng([seed, subject])
        for number, (region, kind) in enumerate(_plan(units_per_subject)):
            detail, main = drives.draw(kind, rng)
            _, second = drives.draw("band", rng)
            signals.append(_mixed(main, second))
            rows.append(
                {
                    "unit": f"s{subject + 1}-u{number:03d}",
                    "subject": f"s{subject + 1}",
                    "region": region,
                    "drive": kind,
                    "detail": detail,
                    "reliability": rng.uniform(*reliability),
                }
            )
    return SimulatedUnits(np.stack(signals, axis=1), pd.DataFrame(rows))


def add_noise(signals: np.ndarray, reliability: np.ndarray, *, seed: int) -> np.ndarray:
    """Add noise to signals (S, V) of variance 1, with reliability (V,) in (0, 1]: three repetitions (S, V, 3)."""
    # sigma^2 = 1 / reliability - 1: two repetitions have the correlation 1 / (1 + sigma^2) = reliability.
    rng = np.random.default_rng([seed, signals.shape[1], _NUM_REPETITIONS])
    noise = rng.standard_normal((*signals.shape, _NUM_REPETITIONS))
    return signals[:, :, None] + np.sqrt(1 / reliability - 1)[:, None] * noise


def _plan(num_units: int) -> list[tuple[str, str]]:
    """Assign a region and a kind of drive to each of a subject's units."""
    num_primary = round(PRIMARY_SHARE * num_units)
    others = [region for region in REGION_DRIVES if region != "Primary"]
    regions = ["Primary"] * num_primary
    regions += sorted((others[i % len(others)] for i in range(num_units - num_primary)), key=others.index)
    plan = []
    for index, region in enumerate(regions):
        kinds = REGION_DRIVES[region]
        plan.append((region, kinds[(index - regions.index(region)) % len(kinds)]))
    return plan


def _mixed(main: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Mix two drives with the fractions of variance given above: (S,) with mean 0 and variance 1."""
    first = _standardised(main)
    rest = _standardised(second)
    rest = _standardised(rest - first * (rest @ first) / len(first))  # uncorrelated, so that variances add
    return np.sqrt(1 - SECOND_SHARE) * first + np.sqrt(SECOND_SHARE) * rest


def _standardised(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / values.std()


class _Drives:
    """All possible drives for one set of stimuli."""

    def __init__(self, num_stimuli: int) -> None:
        self._listed = stimuli(num_stimuli)
        sounds = waveforms(num_stimuli, PUBLISHED_SAMPLE_RATE_HZ, round(DURATION_S * PUBLISHED_SAMPLE_RATE_HZ))
        spectrogram = acoustic.auditory_spectrogram(sounds)
        self._spectrum = spectrogram.mean(axis=2)
        self._modulation = acoustic.modulation_spectrum(spectrogram)
        self._pitch = acoustic.pitch_strength(sounds)
        textures = sorted({texture for group in TEXTURES_OF.values() for texture in group})
        self._shares: dict[str, dict[str, np.ndarray]] = {
            "category": _indicators(self._listed, list(CATEGORY_SHARES), lambda s: (s.category,)),
            "texture": _indicators(self._listed, textures, lambda s: (s.texture,)),
            "word": _indicators(self._listed, list(WORDS), lambda s: (s.word,)),
            "vowel": _indicators(self._listed, list(VOWELS), lambda s: s.vowels),
        }

    def draw(self, kind: str, rng: np.random.Generator) -> tuple[str, np.ndarray]:
        """Draw a drive of a kind; return its tuning and its values (S,)."""
        if kind in self._shares:
            return self._valued(kind, rng)
        if kind == "band":
            centre_hz, width_erb = np.exp(rng.uniform(np.log(100), np.log(7000))), rng.uniform(1.5, 4.0)
            values = acoustic.band_energy(self._spectrum, np.array([centre_hz]), np.array([width_erb]))
            return f"{centre_hz:.0f} Hz, {width_erb:.1f} ERB", values[:, 0]
        if kind == "modulation":
            rate_hz, scale = np.exp(rng.uniform(np.log(2), np.log(32))), np.exp(rng.uniform(np.log(0.05), np.log(0.5)))
            values = acoustic.modulation_energy(self._modulation, np.array([rate_hz]), np.array([scale]))
            return f"{rate_hz:.1f} Hz, {scale:.2f} cycles/ERB", values[:, 0]
        if kind == "pitch":
            return "pitch strength", self._pitch
        return kind, self._from_categories(_CATEGORY_VALUES[kind])

    def _valued(self, kind: str, rng: np.random.Generator) -> tuple[str, np.ndarray]:
        indicators = self._shares[kind]
        weights = rng.standard_normal(len(indicators))
        if kind in ("word", "vowel"):
            weights -= weights.mean()  # distinguishes words or vowels, but not speech from other sounds
        detail = ", ".join(f"{name} {weight:+.2f}" for name, weight in zip(indicators, weights, strict=True))
        return detail, weights @ np.stack(list(indicators.values()))

    def _from_categories(self, values: dict[str, float]) -> np.ndarray:
        return np.array([values.get(stimulus.category, 0.0) for stimulus in self._listed])


_CATEGORY_VALUES: dict[str, dict[str, float]] = {
    "music": {"music": 1.0, "bell": 0.5, "harmonic": 0.5},
    "voice": {"speech": 1.0, "vowel": 1.0},
    "speech": {"speech": 1.0},
}


def _indicators(
    listed: tuple[Stimulus, ...], names: list[str], parts: Callable[[Stimulus], tuple[str, ...]]
) -> dict[str, np.ndarray]:
    """For each name, its fraction of each stimulus, from 0 to 1: (S,) float64."""
    return {
        name: np.array([parts(s).count(name) / max(1, len(parts(s))) for s in listed], dtype=np.float64)
        for name in names
    }
