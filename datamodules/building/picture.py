"""The report of a build as a figure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.building.clip_quality import MANY_CLIPPED, MANY_ZEROS
from datamodules.building.records import JobOutcome, Problem
from datamodules.files import replacing
from datamodules.tasks import LabelSet
from networks.text.wording import counted, shortened

_PANEL_SIZE_INCHES = (4.5, 3.2)
_NUM_BINS = 40
_MOST_NAMES = 20
"""How many classes are named below their panel."""
_MAX_TITLE_LENGTH, _MAX_NAME_LENGTH = 28, 16
"""Characters of names of tasks and of classes."""
_LEAST_DURATIONS_S, _LEAST_LEVELS_DB = 1.0, 2.0
"""Least ranges of the histograms: of equal clips, rounding errors would fill them."""
_BARS_WIDTH = 0.8
"""Width of the bars of a class, together."""
_ROOM_FOR_LEGEND = 0.25
_SILENCE_DB = -96.0  # one step of 16 bits


def draw_report(
    path: Path,
    outcomes: Mapping[str, Sequence[JobOutcome]],
    problems: Sequence[Problem],
    label_sets: Mapping[str, LabelSet],
    sample_rate_hz: int,
) -> None:
    """Draw clips per class, durations, levels with clipping and silence, and what was left out.

    The same input gives the same bytes with the same version of matplotlib.

    Args:
        path: PNG file to make.
        outcomes: For each split, the outcomes of its jobs.
        problems: The rows that were left out.
        label_sets: The label sets.
        sample_rate_hz: Sample rate of the clips in Hz.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    num_columns = 3
    num_rows = 1 + -(-len(label_sets) // num_columns)
    width, height = _PANEL_SIZE_INCHES
    figure = Figure(figsize=(num_columns * width, num_rows * height), layout="constrained")
    panels = figure.subplots(num_rows, num_columns, squeeze=False).ravel()
    _draw_durations(panels[0], outcomes, sample_rate_hz)
    _draw_levels(panels[1], outcomes)
    _draw_problems(panels[2], problems)
    for panel, (name, label_set) in zip(panels[3:], label_sets.items(), strict=False):
        _draw_classes(panel, outcomes, name, label_set)
    for panel in panels[3 + len(label_sets) :]:
        panel.set_axis_off()
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # splits and labels are names of users, and no formulas
    with replacing(path) as temporary:
        FigureCanvasAgg(figure).print_png(temporary, metadata={"Software": None})


def _draw_durations(panel: Any, outcomes: Mapping[str, Sequence[JobOutcome]], sample_rate_hz: int) -> None:
    by_split = {
        split: [clip.num_samples / sample_rate_hz for job in jobs for clip in job.clips]
        for split, jobs in outcomes.items()
    }
    bins = _bins(by_split, _LEAST_DURATIONS_S, lowest=0.0)
    for split, durations in by_split.items():
        label = _named(f"{split}: {counted(len(durations), 'clip')}")
        panel.hist(durations, bins=bins, histtype="step", label=label)
    panel.set(xlabel="duration (s)", ylabel="clips", title="Durations")
    panel.legend()
    _count(panel.yaxis)


def _draw_levels(panel: Any, outcomes: Mapping[str, Sequence[JobOutcome]]) -> None:
    by_split = {split: [quality for job in jobs for quality in job.qualities] for split, jobs in outcomes.items()}
    levels = {
        split: 20 * np.log10(np.maximum([quality.rms for quality in qualities], 10 ** (_SILENCE_DB / 20)))
        for split, qualities in by_split.items()
    }
    bins = _bins(levels, _LEAST_LEVELS_DB, lowest=_SILENCE_DB)
    for split, qualities in by_split.items():
        clipped = sum(quality.clipped_fraction > MANY_CLIPPED for quality in qualities)
        silent = sum(quality.zero_fraction > MANY_ZEROS for quality in qualities)
        label = _named(f"{split}: {clipped} clipped, {silent} partly silent")
        panel.hist(levels[split], bins=bins, histtype="step", label=label)
    panel.set(xlabel="level (dB re full scale)", ylabel="clips", title="Levels")
    panel.legend()
    _count(panel.yaxis)


def _bins(by_split: Mapping[str, Sequence[float] | np.ndarray], least: float, *, lowest: float) -> np.ndarray:
    """Edges of bins for the values of all splits; if these are nearly equal, over the range `least` around them."""
    values = [float(value) for found in by_split.values() for value in found]
    low, high = (min(values), max(values)) if values else (lowest, lowest + least)
    pad = max(0.0, (least - (high - low)) / 2)
    return np.linspace(max(low - pad, min(low, lowest)), high + pad, _NUM_BINS + 1)


def _draw_problems(panel: Any, problems: Sequence[Problem]) -> None:
    if not problems:
        panel.set_axis_off()
        panel.set_title("Left out: none")
        return
    kinds = Counter(problem.kind for problem in problems)
    names = sorted(kinds, key=lambda kind: (-kinds[kind], kind))
    panel.barh(names, [kinds[name] for name in names])
    panel.invert_yaxis()
    panel.set(xlabel="rows", title=f"Left out: {len(problems)}")
    _count(panel.xaxis)


def _draw_classes(panel: Any, outcomes: Mapping[str, Sequence[JobOutcome]], name: str, label_set: LabelSet) -> None:
    labels = [label for label in label_set.labels if label != label_set.null_label]
    total: Counter[str] = Counter()
    counts = {}
    for split, jobs in outcomes.items():
        counts[split] = Counter(label for job in jobs for clip in job.clips for label in clip.labels[name])
        total += counts[split]
    ordered = sorted(labels, key=lambda label: (-total[label], label))
    are_named = len(ordered) <= _MOST_NAMES
    width = _BARS_WIDTH / max(len(counts), 1)
    for number, (split, count) in enumerate(counts.items()):
        places = np.arange(len(ordered)) + 1
        heights = [count[label] for label in ordered]
        if are_named:
            offset = (number - (len(counts) - 1) / 2) * width
            panel.bar(places + offset, heights, width, label=_named(split))
        else:  # bars would be thinner than a pixel
            panel.plot(places, heights, ".", markersize=3, label=_named(split))
    panel.set(ylabel="clips", title=f"{shortened(name, _MAX_TITLE_LENGTH)}: {counted(len(labels), 'class')}")
    panel.margins(y=_ROOM_FOR_LEGEND)
    panel.set_ylim(bottom=0)
    panel.legend()
    _count(panel.xaxis, panel.yaxis)
    if are_named:
        names = [shortened(label, _MAX_NAME_LENGTH) for label in ordered]
        panel.set_xticks(np.arange(len(ordered)) + 1, names, rotation=45, ha="right", rotation_mode="anchor")
    else:
        panel.set_xlabel("class, by number of clips in all splits")


def _named(label: str) -> str:
    """Keep a label in the legend: matplotlib leaves out those that start with an underscore."""
    return f" {label}" if label.startswith("_") else label


def _count(*axes: Any) -> None:
    """Put ticks at integers."""
    from matplotlib.ticker import MaxNLocator

    for axis in axes:
        axis.set_major_locator(MaxNLocator(integer=True))
