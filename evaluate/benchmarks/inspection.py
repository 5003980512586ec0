"""The content of a benchmark, with problems and remarks for the user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluate.benchmarks.benchmark import Benchmark
from evaluate.benchmarks.problems import NUM_SHOWN, shorten
from evaluate.benchmarks.published.release import PUBLISHED_SIZES, PublishedSize
from evaluate.benchmarks.sound_files import NETWORK_INPUT_S, SoundInfo, SoundSet
from evaluate.metrics.best_stage import mean_defined
from evaluate.metrics.encoding.noise_ceiling import reliability

if TYPE_CHECKING:
    import pandas as pd


QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles of the reliabilities to show."""

_CONSTANT_TOLERANCE = 1e-12
"""A mean response is constant if its deviation is below this fraction of its largest value."""


@dataclass(frozen=True)
class Inspection:
    """The content of a benchmark.

    Attributes:
        problems: Faults that prevent scoring.
        remarks: Properties that do not prevent scoring, but are worth knowing.
        sounds: The content of each sound file; None if sounds are synthesised.
        units: Number of units by subject (rows) and region (columns).
        missing: (R,) fraction of missing responses of each repetition.
        reliability: (V,) correlation between repetitions, NaN if undefined; None without repetitions.
        is_constant: (V,) whether a unit's mean response does not vary over stimuli.
    """

    problems: tuple[str, ...]
    remarks: tuple[str, ...]
    sounds: list[SoundInfo] | None
    units: pd.DataFrame
    missing: np.ndarray
    reliability: np.ndarray | None
    is_constant: np.ndarray


def inspect_benchmark(benchmark: Benchmark) -> Inspection:
    """Inspect a benchmark, including every sound.

    Args:
        benchmark: A benchmark that was loaded without errors.

    Returns:
        Its content and faults.
    """
    import pandas as pd

    sounds = benchmark.waveforms.inspect() if isinstance(benchmark.waveforms, SoundSet) else None
    responses = benchmark.responses
    reliabilities = reliability(responses) if benchmark.num_repetitions > 1 else None
    mean = mean_defined(responses, axis=2)
    is_constant = mean.std(axis=0) <= _CONSTANT_TOLERANCE * np.abs(mean).max(axis=0)
    remarks = [
        *_size_remarks(benchmark),
        *_sound_remarks(sounds or []),
        *_unit_remarks(benchmark, is_constant, reliabilities),
    ]
    return Inspection(
        problems=tuple(sound.problem for sound in sounds or [] if sound.problem),
        remarks=tuple(remarks),
        sounds=sounds,
        units=pd.crosstab(benchmark.units["subject"], benchmark.units["region"]),
        missing=np.isnan(responses).mean(axis=(0, 1)),
        reliability=reliabilities,
        is_constant=is_constant,
    )


def _size_remarks(benchmark: Benchmark) -> list[str]:
    expected = PUBLISHED_SIZES.get(benchmark.name)
    size = PublishedSize(benchmark.num_stimuli, benchmark.num_units, len(benchmark.subjects))
    if expected is None or size == expected:
        return []
    counts = "{0.num_stimuli} sounds, {0.num_units} units, {0.num_subjects} participants"
    return [f"{benchmark.name} as published has {counts.format(expected)}; this one has {counts.format(size)}"]


def _sound_remarks(sounds: list[SoundInfo]) -> list[str]:
    silent = [sound.path for sound in sounds if sound.starts_silent and not sound.problem]
    long = [sound.path for sound in sounds if sound.duration_s > NETWORK_INPUT_S]
    remarks = []
    if silent:
        remarks.append(
            f"{len(silent)} sounds are silent in their first {NETWORK_INPUT_S:g} s, so that networks with this input "
            f"length cannot be scored: {shorten(silent)}"
        )
    if copies := _copies(sounds):
        remarks.append(
            f"{sum(map(len, copies))} sounds are copies of each other: {_named(copies)}. Copies in both training and "
            "test make encoding scores too high, and have distance zero in RSA: leave out all but one"
        )
    if long:
        remarks.append(
            f"{len(long)} sounds are longer than {NETWORK_INPUT_S:g} s, the input of the published networks, which "
            f"hear only their beginning: {shorten(long)}"
        )
    return remarks


def _copies(sounds: list[SoundInfo]) -> list[list[str]]:
    """Group usable files that contain the same sound."""
    groups: dict[str, list[str]] = {}
    for sound in sounds:
        if not sound.problem:
            groups.setdefault(sound.content, []).append(sound.path)
    return [group for group in groups.values() if len(group) > 1]


def _named(groups: list[list[str]]) -> str:
    more = f"; and {len(groups) - NUM_SHOWN} more groups" if len(groups) > NUM_SHOWN else ""
    return "; ".join(shorten(group) for group in groups[:NUM_SHOWN]) + more


def _unit_remarks(benchmark: Benchmark, is_constant: np.ndarray, reliabilities: np.ndarray | None) -> list[str]:
    remarks = []
    if is_constant.any():
        names = [f"{row.subject}: {row.unit}" for row in benchmark.units[is_constant].itertuples()]
        remarks.append(
            f"{len(names)} units do not vary over stimuli; their scores are NaN and counted: {shorten(names)}"
        )
    if benchmark.num_missing:
        share = benchmark.num_missing / benchmark.responses.size
        remarks.append(f"{benchmark.num_missing} responses are missing ({share:.1%})")
    if reliabilities is not None:
        undefined = int((np.isnan(reliabilities) & ~is_constant).sum())
        if undefined:
            remarks.append(
                f"{undefined} units have fewer than two repetitions of all stimuli and no noise ceiling: with noise "
                "correction, their scores are NaN and counted"
            )
        if not benchmark.noise_corrected:
            remarks.append("there are repetitions, but noise_corrected is false: raw R² is scored")
    elif benchmark.unit_kind == "voxel":
        remarks.append("there is one repetition: raw R² is scored, without noise correction")
    return remarks
