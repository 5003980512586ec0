"""A simulated auditory cortex in time: units with known drives, lags and integration.

The response of a unit to stimulus s at time bin t in repetition r is

    y(s, t, r) = x(s, t) + sigma * noise(s, t, r),   sigma^2 = 1 / reliability - 1
    x(s, t) = sum_{i >= 0} exp(-i / integration) drive(s, t - lag - i), with mean 0 and variance 1 over s and t

where the drive is the energy around a frequency in the bin, relative to its mean over sounds, and 0 outside the sound.
Lag and integration are in bins, and short enough that all that matters is within 400 ms. Units in Primary have
short lags, those in Nonprimary longer ones. `drive_features` are features whose linear combinations the drives are.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from datamodules.audio import PUBLISHED_SAMPLE_RATE_HZ
from evaluate.benchmarks.benchmark import Benchmark
from evaluate.benchmarks.simulated import acoustic_drives as acoustic
from evaluate.benchmarks.simulated.sounds import DURATION_S, stimuli, waveforms
from evaluate.benchmarks.time_bins import TimeBins

if TYPE_CHECKING:
    import pandas as pd


NAME = "simulated_time"
_VERSION = "1"
"""Increase it when sounds or responses change."""

BINS = TimeBins(75, 25.0)
"""Bins of 40 ms to one second after the end of the sounds, as in the ECoG data of Norman-Haignere et al. 2022."""
MAX_LAGS = 10
"""Bins before and including a response that it depends on."""

COARSE_NAME = "simulated_time_coarse"
COARSE_BINS = TimeBins(38, 12.5)
"""Bins of 80 ms: half as many lags make `temporal` several times faster."""

_NUM_REPETITIONS = 3
_LAGS_S = {"Primary": (0.0, 0.12), "Nonprimary": (0.12, 0.24)}
"""Shortest lag, and first that is too long, of each region's units, in seconds; lags are whole bins."""
_MAX_INTEGRATION = 1.0
"""Longest time constant in bins: after the longest lag, it leaves four bins, and 2 % of the weight beyond them."""
_WIDTHS_ERB = (1.5, 4.0)
_CITATION = "Simulated responses in time to synthesised sounds (cochlearn); no recording."


def simulated_cortex_in_time(
    *,
    num_stimuli: int = 165,
    num_subjects: int = 2,
    units_per_subject: int = 20,
    reliability: tuple[float, float] = (0.2, 0.8),
    seed: int = 0,
    name: str = NAME,
    bins: TimeBins = BINS,
) -> Benchmark:
    """Build the benchmark "simulated_time".

    Args:
        num_stimuli: Number of stimuli S, at least 55. The sounds are those of the benchmark "simulated".
        num_subjects: Number of subjects; each has its own randomly drawn units.
        units_per_subject: Number of units, at least 2; half of them in each region.
        reliability: Bounds, from 0 to 1, of the units' randomly drawn correlation between repetitions.
        seed: Seed of units and noise.
        name: Name of the benchmark.
        bins: Time bins, from the onset of the sounds on.

    Returns:
        A benchmark of voxels with three repetitions, in 75 bins of 40 ms by default, and the regions Primary and
        Nonprimary. Its unit table also has the columns center_hz, width_erb, lag_s, integration_s and reliability.

    Raises:
        ValueError: A number is out of its range.
    """
    if num_subjects < 1 or units_per_subject < 2:
        raise ValueError(f"expected a subject and two units or more, got {num_subjects} and {units_per_subject}")
    if not 0 < reliability[0] <= reliability[1] <= 1:
        raise ValueError(f"reliability must be two increasing numbers above 0 and up to 1, got {reliability}")
    units = _draw_units(num_subjects, units_per_subject, reliability, seed, bins.rate_hz)
    signals = unit_signals(drive_features(num_stimuli), units, bins)
    deviation = np.sqrt(1 / units["reliability"].to_numpy() - 1)
    noise = np.random.default_rng([seed, len(units)]).standard_normal(
        (num_stimuli, len(units), _NUM_REPETITIONS, bins.num_bins)
    )
    listed = stimuli(num_stimuli)
    return Benchmark(
        name=name,
        version=_VERSION,
        stimulus_names=tuple(stimulus.name for stimulus in listed),
        waveforms=partial(waveforms, num_stimuli),
        responses=signals[:, :, None] + deviation[:, None, None] * noise,
        units=units,
        categories=tuple(stimulus.category for stimulus in listed),
        noise_corrected=True,
        citation=_CITATION,
        unit_name="voxel",
        rate_hz=bins.rate_hz,
        start_s=bins.start_s,
    )


def coarse_cortex_in_time() -> Benchmark:
    """Build the benchmark of `configs/demo_in_time.yaml`: 80 sounds, 12 units, bins of 80 ms."""
    return simulated_cortex_in_time(
        num_stimuli=80, units_per_subject=6, reliability=(0.6, 0.9), name=COARSE_NAME, bins=COARSE_BINS
    )


def drive_features(num_stimuli: int) -> np.ndarray:
    """Compute band amplitudes (S, F, N) of the sounds in frames of 8 ms: the drives are weighted sums of bands."""
    sounds = waveforms(num_stimuli, PUBLISHED_SAMPLE_RATE_HZ, round(DURATION_S * PUBLISHED_SAMPLE_RATE_HZ))
    return acoustic.auditory_spectrogram(sounds)


def unit_signals(features: np.ndarray, units: pd.DataFrame, bins: TimeBins = BINS) -> np.ndarray:
    """Compute noise-free responses.

    Args:
        features: (S, F, N) result of `drive_features`.
        units: V rows with center_hz, width_erb, lag_s and integration_s.
        bins: Time bins.

    Returns:
        (S, V, T) with mean 0 and variance 1 over stimuli and bins.
    """
    weights = bins.weights(features.shape[2], DURATION_S)  # (T, N)
    is_inside = np.asarray(weights.sum(axis=1) > 0)
    drives = acoustic.band_energy(
        (features @ weights.T).transpose(0, 2, 1), units["center_hz"].to_numpy(), units["width_erb"].to_numpy()
    )  # (S, T, V)
    drives = np.where(is_inside[:, None], drives - drives[:, is_inside].mean(axis=(0, 1)), 0.0)
    signals = np.zeros_like(drives)
    num_lags = round(MAX_LAGS / BINS.rate_hz * bins.rate_hz)
    for unit, (lag_s, integration_s) in enumerate(zip(units["lag_s"], units["integration_s"], strict=True)):
        lag = round(lag_s * bins.rate_hz)
        for step in range(num_lags - lag):
            weight = np.exp(-step / (integration_s * bins.rate_hz))
            delay = lag + step
            signals[:, delay:, unit] += weight * drives[:, : bins.num_bins - delay, unit]
    signals -= signals.mean(axis=(0, 1))
    return (signals / signals.std(axis=(0, 1))).transpose(0, 2, 1)


def _draw_units(
    num_subjects: int, num_units: int, reliability: tuple[float, float], seed: int, rate_hz: float
) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for subject in range(num_subjects):
        rng = np.random.default_rng([seed, subject])
        for number in range(num_units):
            region = list(_LAGS_S)[number * len(_LAGS_S) // num_units]
            first_lag, end_lag = (math.ceil(round(lag_s * rate_hz, 6)) for lag_s in _LAGS_S[region])
            rows.append(
                {
                    "unit": f"s{subject + 1}-u{number:03d}",
                    "subject": f"s{subject + 1}",
                    "region": region,
                    "center_hz": np.exp(rng.uniform(np.log(100), np.log(7000))),
                    "width_erb": rng.uniform(*_WIDTHS_ERB),
                    "lag_s": rng.integers(first_lag, end_lag) / rate_hz,
                    "integration_s": rng.uniform(0.5, 1.0) * _MAX_INTEGRATION / rate_hz,
                    "reliability": rng.uniform(*reliability),
                }
            )
    return pd.DataFrame(rows)
