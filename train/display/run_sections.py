"""Sections of the run page: state, accuracies, curves, brain scores, confusions, mixtures."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytorch_lightning as pl
import torch
from matplotlib.figure import Figure

from evaluate.report import page as html
from evaluate.report.figures import compared, style
from evaluate.report.figures import selection as s
from evaluate.report.figures.series import entries_of, series_of
from evaluate.report.report_tables import sentence
from evaluate.scoring import table as t
from evaluate.watch.checkpoint_folder import CONFIG_FILE
from train.display.logged_values import values_of
from train.display.metric_history import read_history
from train.display.run_figures import confusion_figure, curves_figure, mixtures_figure
from train.learning.validation_sample import Mixtures, ValidationSample
from train.run.run_callbacks import summary_rows

if TYPE_CHECKING:
    import pandas as pd


REFRESH_S = 60
MAX_SHARE = 0.02
"""Drawing takes at most this share of a run's time: where it would take more, the page is written less often."""

HELD_OUT, CONFUSIONS, MIXTURES = "Held-out examples", "Confusions", "Mixtures"
"""Sections about the last validation."""

_log = logging.getLogger(__name__)


@dataclass
class RunState:
    """Where a run is.

    Attributes:
        name: Name of the run.
        state: In a word or two, as "training".
        is_running: Whether more is to come.
        facts: Name -> value, both text: epoch, step, ...
    """

    name: str
    state: str
    is_running: bool
    facts: dict[str, str] = field(default_factory=dict)


def sections(
    about: RunState,
    trainer: pl.Trainer,
    pl_module: pl.LightningModule,
    sample: ValidationSample | None,
    *,
    brain_scores: Callable[[], Iterable[str]],
    kept: Mapping[str, str],
) -> Iterator[str]:
    """Make all of the page; a section that cannot be drawn does not cost the others.

    Args:
        about: What its head says.
        trainer: The trainer, outside `on_train_epoch_end`.
        pl_module: An `AuditoryModule`.
        sample: What the last validation gathered, if there was one.
        brain_scores: Gives the section on brain scores; called where there is a table of them.
        kept: Sections of the last validation before this process, see `sections_of`: shown until there is a newer one.

    Yields:
        Parts, HTML.
    """
    tasks = [task.name for task in pl_module.tasks]  # type: ignore[union-attr]
    conditions = list(pl_module.val_conditions)  # type: ignore[arg-type]
    folder = Path(trainer.default_root_dir)
    yield from _head(about, folder)
    accuracies = list(_section(HELD_OUT, lambda: _accuracies(values_of(trainer), conditions)))
    yield from accuracies or _kept(HELD_OUT, kept)
    yield from _section("Curves", lambda: _curves(folder, tasks, conditions))
    if (folder / t.SCORES_FILE).is_file():
        yield from _section("Brain scores", brain_scores)
    if sample is not None and sample.mixtures is not None:
        share = f", the first of {trainer.world_size} processes' share" if trainer.world_size > 1 else ""
        where = f"Validation, condition “{conditions[0]}”{share}."
        yield from _section(CONFUSIONS, lambda: _confusions(sample, where))
        mixtures = sample.mixtures
        yield from _section(MIXTURES, lambda: _mixtures(pl_module, mixtures, where))
    else:
        yield from _kept(CONFUSIONS, kept)
        yield from _kept(MIXTURES, kept)


def sections_of(page: str) -> dict[str, str]:
    """Take a page apart.

    Args:
        page: What `sections` gave, as a whole HTML document.

    Returns:
        Title -> the section's content, HTML.
    """
    parts = re.split(r"<h2>(.*?)</h2>\n", page.rpartition("</main>")[0])
    return dict(zip(parts[1::2], map(str.strip, parts[2::2]), strict=True))


def _kept(title: str, kept: Mapping[str, str]) -> Iterator[str]:
    if title in kept:
        yield html.element("h2", title)
        yield kept[title]


def _section(title: str, make: Any) -> Iterator[str]:
    try:
        parts = list(make())
    except Exception as error:  # the other sections are not lost
        _log.warning("the section %r of the run page failed", title, exc_info=True)
        parts = [html.element("p", f"This could not be drawn ({type(error).__name__}).", css_class="warning")]
    if parts:
        yield html.element("h2", title)
        yield from parts


def _head(about: RunState, folder: Path) -> Iterator[str]:
    yield html.element("h1", about.name)
    yield html.element("p", sentence(about.state), css_class="" if about.is_running else "soft")
    yield html.data_table(list(about.facts), [list(about.facts.values())], text_columns=range(len(about.facts)))
    refreshed = f" A browser loads it again every {REFRESH_S} s." if about.is_running else ""
    yield html.element(
        "p",
        f"This page is written after validations and evaluations, at most {MAX_SHARE:.0%} of the time.{refreshed} "
        f"Configuration: {CONFIG_FILE}, beside it. All runs and benchmarks in detail: python -m evaluate report.",
        css_class="soft",
    )


def _accuracies(metrics: Mapping[str, float], conditions: list[str]) -> Iterator[str]:
    """The last accuracies, beside chance."""
    rows = summary_rows(dict(metrics))
    if rows.empty:
        return
    tasks = list(dict.fromkeys(zip(rows["task"], rows["metric"], strict=True)))
    found = rows.set_index(["condition", "task"])
    shown = []
    for condition in conditions:
        cells = [f"{metrics.get(f'val/{condition}/loss', float('nan')):.3f}"]
        for task, _ in tasks:
            if (condition, task) in found.index:
                value, chance = found.loc[(condition, task), ["value", "chance"]]
                cells.append(html.Html(f'{value:.3f} <span class="error">chance {chance:.3f}</span>'))
            else:
                cells.append("–")
        shown.append([condition, *cells])
    titles = [f"{task} ({'accuracy' if metric == 'top1' else 'average precision'})" for task, metric in tasks]
    yield html.data_table(["condition", "loss", *titles], shown)


def _curves(folder: Path, tasks: list[str], conditions: list[str]) -> Iterator[str]:
    history = read_history(folder)
    if not history:
        yield html.element("p", "Nothing is logged yet.", css_class="soft")
        return
    yield _picture(
        curves_figure(history, tasks, conditions),
        "Training is grey, with an accuracy per epoch; colours are validation conditions; dotted: chance, which is "
        "always giving the commonest class.",
    )


def brain_section(table: pd.DataFrame, name: str) -> Iterator[str]:
    """Draw trajectories and stage curves of every benchmark.

    Args:
        table: Score table.
        name: Name of the run.

    Yields:
        Figures, HTML.
    """
    series = series_of({name: table})
    for benchmark in dict.fromkeys(table[t.BENCHMARK]):
        rows = table[table[t.BENCHMARK] == benchmark]
        for kind in s.score_kinds_of(rows):
            trajectory = compared.trajectory_figure(series, benchmark, kind)
            if trajectory is not None:
                yield _picture(trajectory, "Score at the best stage over training; bands: ±1 standard error.")
            curves = compared.stage_curves_figure(entries_of(series, benchmark, kind.metrics), benchmark, kind)
            if curves is not None:
                yield _picture(curves, "Score of every stage, now (solid) and before training (dashed).")
        if (rows[t.METRIC] == t.FAILED).any():
            yield html.element("p", f"Scoring {benchmark} failed at some steps; the log says why.", css_class="warning")


def _confusions(sample: ValidationSample, where: str) -> Iterator[str]:
    confusions = sample.confusions()
    if confusions:
        caption = f"{where} Rows: labels, with their number of examples, the commonest first; columns: answers."
        yield _picture(confusion_figure(confusions), caption)


def _mixtures(pl_module: pl.LightningModule, mixtures: Mixtures, where: str) -> Iterator[str]:
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


def _picture(figure: Figure, caption: str) -> str:
    return html.picture(style.figure_bytes(figure, "svg"), caption)
