"""Figures of the run page: curves, confused classes, a few mixtures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, isfinite
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from datamodules.tasks import Task
from evaluate.report.figures import style
from networks.text.wording import counted
from train.display.run_summary import HEADLINE_METRICS
from train.learning.validation_sample import Confusion, Mixtures
from train.run.metric_history import History

if TYPE_CHECKING:
    import pandas as pd


TRAINING_COLOUR = "#8A929B"
MAX_POINTS = 600
"""Training losses are averaged to this many points: the curve of a week is no larger than that of an hour."""
_PANEL_IN = (3.3, 2.5)
_MIXTURE_IN = (5.4, 2.5)
_MAX_TICK_LABEL = 18


def curves_figure(history: History, tasks: Sequence[str], conditions: Sequence[str]) -> Figure:
    """Draw losses (above) and accuracies (below), a column per task; the first column is the sum and the rate.

    Args:
        history: Logged values, see `train.run.metric_history`.
        tasks: Names of the tasks.
        conditions: Names of the validation conditions.

    Returns:
        The figure; training is grey, each validation condition has a colour, chance is dotted.
    """
    width, height = _PANEL_IN
    num_columns = 1 + len(tasks)
    figure = style.new_figure(1.6 + width * num_columns, 0.8 + 2 * height, "Losses and accuracies")
    grid = figure.subplots(2, num_columns, squeeze=False, sharex=True)
    for panel in grid.ravel():
        style.tidy_axes(panel)
        style.set_step_axis(panel)
    _draw_losses(grid[0, 0], history, "", conditions)
    grid[0, 0].set_title("weighted sum", fontsize=style.LABEL_SIZE)
    grid[0, 0].set_ylabel("loss", fontsize=style.LABEL_SIZE)
    _draw_rates(grid[1, 0], history)
    for column, task in enumerate(tasks, start=1):
        _draw_losses(grid[0, column], history, f"{task}/", conditions)
        grid[0, column].set_title(task, fontsize=style.LABEL_SIZE)
        _draw_accuracies(grid[1, column], history, task, conditions)
    figure.supxlabel("optimiser steps", fontsize=style.LABEL_SIZE)
    style.shared_legend(figure, grid.ravel())
    return figure


def confusion_figure(confusions: Mapping[str, Confusion]) -> Figure:
    """Draw which classes are confused: rows are labels, columns are answers.

    Args:
        confusions: Confusions by task; at least one.

    Returns:
        The figure, a panel per task.
    """
    num_columns = min(len(confusions), 3)
    num_rows = ceil(len(confusions) / num_columns)
    figure = style.new_figure(
        1.2 + 4.3 * num_columns, 0.5 + 4.1 * num_rows, "Answers to the most common classes (shares of each row, in %)"
    )
    grid = figure.subplots(num_rows, num_columns, squeeze=False)
    for unused in grid.ravel()[len(confusions) :]:
        unused.set_visible(False)
    for panel, (task, found) in zip(grid.ravel(), confusions.items(), strict=False):
        _draw_confusion(panel, task, found)
    return figure


def mixtures_figure(
    cochleagrams: np.ndarray,
    mixtures: Mixtures,
    tasks: Sequence[Task],
    *,
    duration_s: float,
    freqs_hz: np.ndarray | None,
) -> Figure:
    """Draw cochleagrams with their labels and the answers of the network.

    Args:
        cochleagrams: (M, F, N).
        mixtures: The same examples.
        tasks: The tasks.
        duration_s: Duration of a mixture in seconds.
        freqs_hz: (F,) centre frequencies, or None if unknown.

    Returns:
        The figure, a panel per mixture.
    """
    width, height = _MIXTURE_IN
    num_columns = min(2, len(cochleagrams))
    num_rows = ceil(len(cochleagrams) / num_columns)
    figure = style.new_figure(
        0.6 + width * num_columns,
        0.6 + (height + 0.19 * len(tasks)) * num_rows,
        "Validation mixtures: label → answer, probability",
    )
    grid = figure.subplots(num_rows, num_columns, squeeze=False, sharex=True, sharey=True)
    for unused in grid.ravel()[len(cochleagrams) :]:
        unused.set_visible(False)
    for number, (panel, cochleagram) in enumerate(zip(grid.ravel(), cochleagrams, strict=False)):
        panel.imshow(
            cochleagram,
            origin="lower",
            aspect="auto",
            cmap="magma",
            interpolation="none",  # keeps the resolution of the cochleagram in the file
            extent=(0, duration_s, -0.5, len(cochleagram) - 0.5),
        )
        panel.set_xticks(np.linspace(0, duration_s, 5))
        panel.xaxis.set_major_formatter("{x:g}")
        panel.tick_params(labelsize=style.TICK_SIZE)
        title = "\n".join([_ratio(mixtures.snr_db[number]), *(_answer(mixtures, task, number) for task in tasks)])
        panel.set_title(title, fontsize=style.TICK_SIZE, loc="left", linespacing=1.35)
        _label_frequencies(panel, len(cochleagram), freqs_hz)
    figure.supxlabel("time (s)", fontsize=style.LABEL_SIZE)
    figure.supylabel("frequency (kHz)" if freqs_hz is not None else "band", fontsize=style.LABEL_SIZE)
    return figure


def _draw_losses(panel: Axes, history: History, prefix: str, conditions: Sequence[str]) -> None:
    """Draw the loss of one task (`prefix` such as "word/") or the weighted sum ("")."""
    training = history.get(f"train/{prefix}loss")
    if training is not None:
        every = max(1, ceil(len(training) / MAX_POINTS))
        thin = training.groupby(np.arange(len(training)) // every).mean()
        steps = training.index.to_series().groupby(np.arange(len(training)) // every).mean()
        panel.plot(steps.to_numpy(), thin.to_numpy(), color=TRAINING_COLOUR, lw=1.2, label="training")
    for condition, colour in _coloured(conditions):
        held_out = history.get(f"val/{condition}/{prefix}loss")
        if held_out is not None:
            _plot(panel, held_out, colour, condition)
    panel.set_ylim(bottom=0)


def _draw_accuracies(panel: Axes, history: History, task: str, conditions: Sequence[str]) -> None:
    name = "average precision"
    training = history.get(f"train/{task}/top1")
    if training is not None:
        _plot(panel, training, TRAINING_COLOUR, "training")
    for condition, colour in _coloured(conditions):
        for headline in HEADLINE_METRICS:
            held_out = history.get(f"val/{condition}/{task}/{headline}")
            if held_out is None:
                continue
            name = "accuracy" if headline == "top1" else name
            _plot(panel, held_out, colour, condition)
            chance = history.get(f"val/{condition}/{task}/chance")
            if chance is not None:
                panel.axhline(chance.iloc[-1], color=colour, ls=":", lw=1.1)
            break
    panel.set_ylim(0, 1.03)
    panel.set_ylabel(name, fontsize=style.TICK_SIZE)


def _draw_rates(panel: Axes, history: History) -> None:
    rates = {name: values for name, values in history.items() if name.startswith("lr-")}
    for values in rates.values():
        panel.plot(values.index.to_numpy(), values.to_numpy(), color="black", lw=1.2, drawstyle="steps-post")
    panel.set_ylabel("learning rate", fontsize=style.TICK_SIZE)
    panel.set_ylim(bottom=0)
    panel.ticklabel_format(axis="y", style="sci", scilimits=(-3, 3))
    panel.yaxis.get_offset_text().set_fontsize(style.SMALL_SIZE)


def _plot(panel: Axes, values: pd.Series, colour: str, label: str) -> None:
    panel.plot(
        values.index.to_numpy(), values.to_numpy(), ".-", color=colour, lw=1.6, ms=5, label=style.legend_label(label)
    )


def _coloured(conditions: Sequence[str]) -> list[tuple[str, str]]:
    colours = style.RUN_COLOURS
    return [(condition, colours[number % len(colours)]) for number, condition in enumerate(conditions)]


def _draw_confusion(panel: Axes, task: str, found: Confusion) -> None:
    columns = len(found.labels) + found.has_other
    shares = found.shares[:, :columns]
    # Cividis rises evenly in brightness, with and without colour vision.
    panel.imshow(shares, cmap="cividis", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    names = [_short(label) for label in found.labels]
    panel.set_yticks(range(len(names)), [f"{name} ({count})" for name, count in zip(names, found.counts, strict=True)])
    panel.set_xticks(range(columns), [*names, "others"][:columns], rotation=45, ha="right", rotation_mode="anchor")
    panel.tick_params(labelsize=style.SMALL_SIZE, length=0)
    panel.set_title(f"{task}: {counted(found.num_examples, 'example')}", fontsize=style.LABEL_SIZE)
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.005:
            colour = "black" if share > 0.5 else "white"
            panel.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=7, color=colour)


def _short(label: str) -> str:
    return label if len(label) <= _MAX_TICK_LABEL else f"{label[: _MAX_TICK_LABEL - 1]}…"


def _ratio(snr_db: float) -> str:
    if isfinite(snr_db):
        return f"signal-to-noise ratio {snr_db:+.1f} dB"
    return "signal alone" if snr_db > 0 else "noise alone"


def _answer(mixtures: Mixtures, task: Task, number: int) -> str:
    label, answer, probability, is_right = mixtures.answers(task, number)
    mark = "✓" if is_right else "✗"
    return f"{mark} {task.name}: {style.short_name(label)} → {_short(answer)}, {100 * probability:.0f} %"


def _label_frequencies(panel: Axes, num_bands: int, freqs_hz: np.ndarray | None) -> None:
    if freqs_hz is None:
        return
    wanted = np.array([100, 300, 1000, 3000, 9000])
    wanted = wanted[(wanted >= freqs_hz.min()) & (wanted <= freqs_hz.max())]
    places = np.interp(wanted, freqs_hz, np.arange(num_bands))
    panel.set_yticks(places, [f"{freq / 1000:g}" for freq in wanted])
