"""The content of a benchmark, with problems and remarks for the user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from datamodules.audio import PUBLISHED_DURATION_S, PUBLISHED_RMS, PUBLISHED_SAMPLE_RATE_HZ, rms
from datamodules.tables import MISSING_LABELS
from evaluate.benchmarks.benchmark import Benchmark
from evaluate.benchmarks.problems import NUM_SHOWN, Problems, shorten
from evaluate.benchmarks.published.release import PUBLISHED_SIZES, PublishedSize
from evaluate.benchmarks.sound_files import SoundInfo, SoundSet
from evaluate.metrics.best_stage import mean_defined
from evaluate.metrics.encoding.noise_ceiling import reliability
from networks.text.natural_order import natural_order
from networks.text.wording import counted

if TYPE_CHECKING:
    import pandas as pd


QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles of the reliabilities to show."""

LEVEL_TOLERANCE = 0.01
"""Relative deviation from the published level that is not worth a remark."""

_CONSTANT_TOLERANCE = 1e-12
"""A mean response is constant if its deviation is below this fraction of its largest value."""


@dataclass(frozen=True)
class Inspection:
    """The content of a benchmark.

    Attributes:
        problems: Faults that prevent scoring.
        remarks: Properties that do not prevent scoring, but are worth knowing.
        sounds: The content of each sound file; None if a function makes the sounds.
        units: Number of units by subject (rows) and region (columns).
        missing: (R,) fraction of missing responses of each repetition.
        reliability: (V,) correlation between repetitions, NaN if undefined; None without repetitions.
        reliability_in_time: (V,) correlation between repetitions over stimuli and bins, and (V, T) over stimuli in each
            bin; None without time or repetitions.
        is_constant: (V,) whether a unit's mean response does not vary over stimuli.
    """

    problems: tuple[str, ...]
    remarks: tuple[str, ...]
    sounds: list[SoundInfo] | None
    units: pd.DataFrame
    missing: np.ndarray
    reliability: np.ndarray | None
    reliability_in_time: tuple[np.ndarray, np.ndarray] | None
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
    made = Problems()
    waveforms = made.attempt(_made_by_function, benchmark) if sounds is None else None
    responses = benchmark.responses
    reliabilities = reliability(responses) if benchmark.num_repetitions > 1 else None
    mean = mean_defined(responses, axis=2)
    is_constant = mean.std(axis=0) <= _CONSTANT_TOLERANCE * np.abs(mean).max(axis=0)
    remarks = [
        *_size_remarks(benchmark),
        *_sound_remarks(sounds or [], in_time=benchmark.time_courses is not None),
        *_level_remarks(benchmark, waveforms),
        *_name_remarks(benchmark),
        *(_unit_remarks(benchmark, is_constant, reliabilities) if benchmark.trials is None else []),
    ]
    return Inspection(
        problems=(*(sound.problem for sound in sounds or [] if sound.problem), *made.found),
        remarks=tuple(remarks),
        sounds=sounds,
        units=pd.crosstab(benchmark.units["subject"], benchmark.units["region"]).reindex(
            index=natural_order(benchmark.subjects), columns=natural_order(benchmark.regions)
        ),
        missing=np.isnan(responses).mean(axis=(0, 1)),
        reliability=reliabilities,
        reliability_in_time=_reliability_in_time(benchmark),
        is_constant=is_constant,
    )


def _reliability_in_time(benchmark: Benchmark) -> tuple[np.ndarray, np.ndarray] | None:
    courses = benchmark.time_courses
    if courses is None or benchmark.num_repetitions < 2:
        return None
    over_all = reliability(courses.transpose(0, 3, 1, 2).reshape(-1, *courses.shape[1:3]))
    by_bin = [reliability(courses[..., time]) for time in range(courses.shape[3])]
    return over_all, np.stack(by_bin, axis=1)


def _size_remarks(benchmark: Benchmark) -> list[str]:
    expected = PUBLISHED_SIZES.get(benchmark.name)
    size = PublishedSize(benchmark.num_stimuli, benchmark.num_units, len(benchmark.subjects))
    if expected is None or size == expected:
        return []
    counts = "{0.num_stimuli} sounds, {0.num_units} units, {0.num_subjects} participants"
    return [f"{benchmark.name} as published has {counts.format(expected)}; this one has {counts.format(size)}"]


_BUT_IN_TIME = " (for the metric temporal, all of them in overlapping windows)"


def _sound_remarks(sounds: list[SoundInfo], *, in_time: bool) -> list[str]:
    silent = [sound.path for sound in sounds if sound.starts_silent and not sound.problem]
    long = [sound.path for sound in sounds if sound.duration_s > PUBLISHED_DURATION_S]
    remarks = []
    if silent:
        remarks.append(
            f"{counted(len(silent), 'sound', 'is')} silent in their first {PUBLISHED_DURATION_S:g} s, so that "
            "networks with this "
            f"input length cannot be scored: {shorten(silent)}"
        )
    if copies := _copies(sounds):
        remarks.append(
            f"{sum(map(len, copies))} sounds are copies of each other: {_named(copies)}. Copies in both training and "
            "test make encoding scores too high, and have distance zero in RSA: leave out all but one"
        )
    if long:
        remarks.append(
            f"{counted(len(long), 'sound', 'is')} longer than {PUBLISHED_DURATION_S:g} s, the input of the published "
            f"networks, which hear only their beginning{_BUT_IN_TIME if in_time else ''}: {shorten(long)}"
        )
    return remarks


def _made_by_function(benchmark: Benchmark) -> np.ndarray:
    """Make the sounds of a benchmark whose sounds are no files, as the published networks hear them."""
    return benchmark.stimuli(PUBLISHED_SAMPLE_RATE_HZ, round(PUBLISHED_DURATION_S * PUBLISHED_SAMPLE_RATE_HZ))


def _level_remarks(benchmark: Benchmark, waveforms: np.ndarray | None) -> list[str]:
    """Remark on sounds of a function that are silent, or have another level than those of files."""
    if waveforms is None:
        return []
    levels = np.array([rms(waveform) for waveform in waveforms])
    silent = [name for name, level in zip(benchmark.stimulus_names, levels, strict=True) if level == 0]
    remarks = [f"{counted(len(silent), 'sound', 'is')} silent: {shorten(silent)}"] if silent else []
    heard = levels[levels > 0]
    if len(heard) and not np.allclose(heard, PUBLISHED_RMS, rtol=LEVEL_TOLERANCE, atol=0):
        remarks.append(
            f"the sounds have levels (RMS) of {heard.min():.3g} to {heard.max():.3g}; the published networks hear all "
            f"sounds at {PUBLISHED_RMS:g}, which datamodules.audio.set_rms sets"
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
    more = f"; and {counted(len(groups) - NUM_SHOWN, 'more group')}" if len(groups) > NUM_SHOWN else ""
    return "; ".join(shorten(group) for group in groups[:NUM_SHOWN]) + more


def _name_remarks(benchmark: Benchmark) -> list[str]:
    """Remark on subjects, regions and categories that most likely are missing values."""
    names = {column: list(benchmark.units[column]) for column in ("subject", "region")}
    names["category"] = list(benchmark.categories or ())
    return [
        f"{counted(len(rows), 'row', 'has')} the {column} {values[rows[0]]!r}, first row {rows[0] + 1}: most likely "
        "a missing value"
        for column, values in names.items()
        if (rows := [row for row, value in enumerate(values) if value in MISSING_LABELS])
    ]


def _unit_remarks(benchmark: Benchmark, is_constant: np.ndarray, reliabilities: np.ndarray | None) -> list[str]:
    remarks = []
    if is_constant.any():
        names = [f"{row.subject}: {row.unit}" for row in benchmark.units[is_constant].itertuples()]
        remarks.append(
            f"{counted(len(names), 'unit', 'does')} not vary over stimuli; their scores are NaN and counted: "
            f"{shorten(names)}"
        )
    if benchmark.num_missing:
        share = benchmark.num_missing / benchmark.responses.size
        remarks.append(f"{counted(benchmark.num_missing, 'response', 'is')} missing ({share:.1%})")
    if reliabilities is not None:
        undefined = int((np.isnan(reliabilities) & ~is_constant).sum())
        if undefined:
            remarks.append(
                f"{counted(int(undefined), 'unit', 'has')} fewer than two repetitions of all stimuli and no noise "
                "ceiling: with noise "
                "correction, their scores are NaN and counted"
            )
        if not benchmark.noise_corrected:
            remarks.append("there are repetitions, but noise_corrected is false: raw R² is scored")
    elif benchmark.unit_kind == "voxel":
        remarks.append("there is one repetition: raw R² is scored, without noise correction")
    return remarks
