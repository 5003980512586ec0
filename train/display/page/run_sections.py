"""Sections of the run page: accuracies, curves, brain scores, confusions, mixtures."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytorch_lightning as pl
import torch
from matplotlib.figure import Figure

from evaluate.benchmarks import ALL
from evaluate.metrics.metric import ScoreKind
from evaluate.metrics.score_kinds import kinds_in
from evaluate.report.error_texts import band_note
from evaluate.report.figures import compared, style
from evaluate.report.figures.parts import parts_over_training_figure
from evaluate.report.figures.series import entries_of, series_for, series_of
from evaluate.report.figures.time_course import time_course_figure
from evaluate.report.page import Cell, Paragraph, Part, Picture, ValueTable
from evaluate.report.tables.cells import regions_of_kind
from evaluate.report.tables.score_tables import best_stages
from evaluate.report.tables.shared_variance import parts_over_training
from evaluate.scoring import table as t
from train.display.last_validation import LastValidation
from train.display.logged_values import VALIDATION_PREFIX, values_of
from train.display.page.page_parts import Section
from train.display.page.run_figures import confusion_figure, curves_figure, mixtures_figure
from train.display.run_summary import held_out_rows
from train.display.score_course import course_of
from train.learning.validation_sample import Mixtures, ValidationSample
from train.run.metric_history import read_history

if TYPE_CHECKING:
    import pandas as pd

CONFUSIONS, MIXTURES = "Confusions", "Mixtures"
"""Sections of figures of the last validation."""

_log = logging.getLogger(__name__)


def make_sections(
    trainer: pl.Trainer,
    pl_module: pl.LightningModule,
    sample: ValidationSample | None,
    *,
    brain_scores: Callable[[], Iterable[Part]],
    last: LastValidation,
) -> Iterator[Section]:
    """Make all sections; one that cannot be drawn does not affect the others.

    Args:
        trainer: The trainer, outside `on_train_epoch_end`.
        pl_module: An `AuditoryModule`.
        sample: What the last validation gathered, or None before the first one of this process.
        brain_scores: Makes the section on brain scores; called if there is a table of them.
        last: What is known of the last validation. It is shown where this process has nothing newer, and updated in
            place otherwise.

    Yields:
        Sections; empty ones are left out.
    """
    tasks = [task.name for task in pl_module.tasks]  # type: ignore[union-attr]
    tasks += list(pl_module.objectives)  # type: ignore[arg-type]
    conditions = list(pl_module.shown_conditions)  # type: ignore[arg-type]
    folder = Path(trainer.default_root_dir)
    last.values = _validation_values(trainer) or last.values
    yield from _section("Held-out examples", lambda: _accuracies(last.values, conditions))
    yield from _section("Curves", lambda: _curves(folder, tasks, conditions))
    if (folder / t.SCORES_FILE).is_file():
        yield from _section("Brain scores", brain_scores)
    if sample is None or sample.mixtures is None:
        yield from (Section(title, last.pictures[title]) for title in (CONFUSIONS, MIXTURES) if title in last.pictures)
        return
    share = f", the first of {trainer.world_size} processes' share" if trainer.world_size > 1 else ""
    where = f"Validation, condition “{conditions[0]}”{share}."
    mixtures = sample.mixtures
    pictures = [
        *_section(CONFUSIONS, lambda: _confusions(sample, where)),
        *_section(MIXTURES, lambda: _mixtures(pl_module, mixtures, where)),
    ]
    last.pictures = {
        section.title: [part for part in section.parts if isinstance(part, Picture)] for section in pictures
    }
    yield from pictures


def _section(title: str, make: Callable[[], Iterable[Part]]) -> Iterator[Section]:
    try:
        parts = list(make())
    except Exception as error:  # the other sections are not lost
        _log.warning("the section %r of the run page failed", title, exc_info=True)
        parts = [Paragraph(f"This could not be drawn ({type(error).__name__}).", "warning")]
    if parts:
        yield Section(title, parts)


def _validation_values(trainer: pl.Trainer) -> dict[str, float]:
    """Values of the last validation of this process, if there was one."""
    values = {name: value for name, value in values_of(trainer).items() if name.startswith(VALIDATION_PREFIX)}
    return values if len(held_out_rows(values)) else {}


def _accuracies(values: Mapping[str, float], conditions: list[str]) -> Iterator[Part]:
    """The last accuracies, with chance levels."""
    rows = held_out_rows(dict(values))
    if rows.empty:
        return
    tasks = list(dict.fromkeys(zip(rows["task"], rows["metric"], strict=True)))
    found = rows.set_index(["condition", "task"])
    shown = []
    for condition in conditions:
        cells = [Cell(condition), Cell(f"{values.get(f'val/{condition}/loss', float('nan')):.3f}")]
        for task, _ in tasks:
            if (condition, task) in found.index:
                value, chance = found.loc[(condition, task), ["value", "chance"]]
                cells.append(Cell(f"{value:.3f}", f"chance {chance:.3f}"))
            else:
                cells.append(Cell("–"))
        shown.append(cells)
    titles = [f"{task} ({'accuracy' if metric == 'top1' else 'average precision'})" for task, metric in tasks]
    yield ValueTable(["condition", "loss", *titles], shown)


def _curves(folder: Path, tasks: list[str], conditions: list[str]) -> Iterator[Part]:
    history = read_history(folder)
    if not history:
        yield Paragraph("Nothing is logged yet.", "soft")
        return
    yield _picture(
        curves_figure(history, tasks, conditions),
        "Training is grey, with losses of single batches and an accuracy per epoch; colours are validation "
        "conditions; dotted: chance, which is always giving the most common class (where there is only one, such as no "
        "noise, a random class).",
    )


def brain_section(table: pd.DataFrame, name: str, kinds: Iterable[ScoreKind] = ()) -> Iterator[Part]:
    """Draw trajectories and stage curves of every benchmark and score, and name the best stages.

    Args:
        table: Score table.
        name: Name of the run.
        kinds: Kinds of users' metrics.

    Yields:
        Figures and tables, and a warning for each benchmark whose scoring failed.
    """
    series = series_of({name: table})
    for benchmark in dict.fromkeys(table[t.BENCHMARK]):
        rows = table[table[t.BENCHMARK] == benchmark]
        for kind in kinds_in(rows[t.METRIC], kinds):
            of_kind = series_for(series, kind)
            entries = entries_of(of_kind, benchmark, kind.metrics)
            if kind.best_metric:
                trajectory = compared.trajectory_figure(of_kind, benchmark, kind)
                if trajectory is not None:
                    note = band_note(entries, kind.best_metric, regions_of_kind(entries, kind), what="Bands")
                    yield _picture(trajectory, f"Score at the best stage over training. {note}")
                yield from _courses(rows, kind)
                yield from best_stages(entries, kind)
            curves = compared.stage_curves_figure(entries, benchmark, kind)
            if curves is not None:
                regions = regions_of_kind(entries, kind)
                note = band_note(entries, kind.stage_metric, regions, what="Bands", of_stages=True)
                yield _picture(curves, f"Score of every stage, now (solid) and before training (dashed). {note}")
            if kind.course_metric:
                course = time_course_figure(entries, benchmark, kind)
                if course is not None:
                    yield _picture(course, "When the best stage predicts responses, now and before training (dashed).")
            for one in of_kind if kind.reference else ():
                parts = parts_over_training(one, benchmark, kind)
                if len(parts):
                    what = f"What all stages together explain alone and share with {kind.reference}."
                    yield _picture(parts_over_training_figure(parts, benchmark), what)
        if (rows[t.METRIC] == t.FAILED).any():
            yield Paragraph(f"Scoring {benchmark} failed at some steps; the log says why.", "warning")


def _courses(rows: pd.DataFrame, kind: ScoreKind) -> Iterator[Part]:
    """The score at the best stage of all units before training, now and where it was highest; what has not risen."""
    best = t.summary_rows(rows)
    best = best[(best[t.METRIC] == kind.best_metric) & (best[t.REGION] == ALL)]
    names = {str(run): of_run.sort_values(t.STEP) for run, of_run in best.groupby(t.RUN, sort=False)}
    courses = {name: course_of(of_run.set_index(t.STEP)[t.VALUE]) for name, of_run in names.items()}
    shown = [
        [
            Cell(name),
            *(Cell("–" if isnan(value) else f"{value:.3f}") for value in (course.before, course.last, course.best)),
            Cell(str(course.best_step)),
        ]
        for name, course in courses.items()
        if course.best_step is not None
    ]
    if shown:
        yield ValueTable(["run", "before training", "now", "best", "at step"], shown)
    yield from (
        Paragraph(f"{course.describe(name)}.", "warning") for name, course in courses.items() if course.has_not_risen
    )


def _confusions(sample: ValidationSample, where: str) -> Iterator[Part]:
    confusions = sample.confusions()
    if confusions:
        caption = f"{where} Rows: labels, with their number of examples, the most common first; columns: answers."
        yield _picture(confusion_figure(confusions), caption)


def _mixtures(pl_module: pl.LightningModule, mixtures: Mixtures, where: str) -> Iterator[Part]:
    front_end: Any = pl_module.network.front_end  # type: ignore[union-attr]
    waveforms = mixtures.waveforms
    with torch.autocast(waveforms.device.type, enabled=False):
        cochleagrams = front_end(waveforms).float().cpu().numpy()
    freqs = getattr(front_end, "center_freqs_hz", None)
    figure = mixtures_figure(
        cochleagrams.reshape(len(cochleagrams), *cochleagrams.shape[-2:]),
        mixtures,
        list(pl_module.tasks),  # type: ignore[arg-type]
        duration_s=waveforms.shape[1] / front_end.sample_rate_hz,
        freqs_hz=None if freqs is None else np.asarray(freqs.cpu()),
    )
    yield _picture(figure, f"{where} The first mixtures, the same ones at every validation, as the network hears them.")


def _picture(figure: Figure, caption: str) -> Picture:
    return Picture(style.figure_bytes(figure, "svg").decode(), caption)
