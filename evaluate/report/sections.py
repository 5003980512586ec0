"""Sections of the report: the figures and tables on one benchmark, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from evaluate.benchmarks.benchmark import Benchmark
from evaluate.metrics.rsa import SIMILARITY
from evaluate.metrics.score_kinds import ENCODING_KINDS
from evaluate.options import SEED_PATTERN
from evaluate.report import report_tables as tables_of
from evaluate.report.figures import bars, compared, matrices, one_run, region_stage, style
from evaluate.report.figures import groups as group_figures
from evaluate.report.figures import selection as s
from evaluate.report.figures.probes import probe_figure
from evaluate.report.figures.selection import ScoreKind
from evaluate.report.figures.series import Series, entries_of
from evaluate.report.page import Folded, Heading, Paragraph, Part, Picture
from evaluate.report.seed_groups import groups_of
from evaluate.scoring import table as t

if TYPE_CHECKING:
    import pandas as pd


FILE_KINDS = ("png", "pdf")
NUM_UNFOLDED_RUNS = 2
"""Maximum number of runs whose single figures are shown; those of more runs are folded."""

BAND_NOTE = (
    "Error bars and bands: ±1 standard error over participants (components: over iterations of stage selection)."
)


class _Drawing(NamedTuple):
    """A figure, and the text if there is nothing to draw."""

    stem: str
    draw: Callable[[], Figure | None]
    caption: str
    missing: str
    """Text on the page instead of the figure."""


class Shown(NamedTuple):
    """The content of a section on one benchmark.

    Attributes:
        benchmark: Name of the benchmark.
        series: Networks over training.
        rows: All rows of the benchmark.
        folder: Folder of the figures.
        files: List to which the files of figures are added.
        data: The benchmark itself, if available: its matrix of sounds is drawn.
        features: Features (S, D) by title, whose matrices are drawn next to it.
        seed_pattern: Pattern to remove from names of runs, to find those that differ only in their seed.
        kinds: Score kinds of user-defined metrics, drawn in addition to the built-in ones.
    """

    benchmark: str
    series: list[Series]
    rows: pd.DataFrame
    folder: Path
    files: list[Path]
    data: Benchmark | None = None
    features: Mapping[str, np.ndarray] = {}
    seed_pattern: str = SEED_PATTERN
    kinds: tuple[ScoreKind, ...] = ()


_CAPTIONS = {
    t.EFFECTIVE_DIMENSIONALITY: "Effective dimensionality of every stage's features over the benchmark's sounds: the "
    "number of dimensions over which their variance is spread.",
}


def section(shown: Shown) -> Iterator[Part]:
    """Make the section on a benchmark and write its figures.

    Args:
        shown: Content of the section.

    Yields:
        Parts of the page.
    """
    yield Heading(shown.benchmark, 2, anchor(shown.benchmark))
    kinds, stage_kinds = (find(shown.rows, shown.kinds) for find in (s.score_kinds_of, s.stage_kinds_of))
    if not kinds and not stage_kinds:
        yield Paragraph("The tables hold no scores of this benchmark.", "soft")
    for kind in kinds:
        yield from _scores_of_kind(shown, kind)
    if any(kind in ENCODING_KINDS for kind in kinds):
        yield from _region_stage(shown)
    for kind in stage_kinds:
        yield from _stage_scores(shown, kind)
    if shown.data is not None or any(kind in (*ENCODING_KINDS, SIMILARITY) for kind in kinds):
        yield from _matrices(shown)


def probe_section(shown: Shown) -> Iterator[Part]:
    """Make the section on the linear probes of a collection of labelled sounds and write its figure.

    Args:
        shown: Content of the section; `benchmark` names the sounds.

    Yields:
        Parts of the page.
    """
    entries = entries_of(shown.series, shown.benchmark, [t.PROBE_ACCURACY])
    yield Heading(f"{shown.benchmark}: linear probes", 2, anchor(shown.benchmark, kind="probe"))
    yield tables_of.probes(entries)
    drawing = _Drawing(
        f"{shown.benchmark}_probe",
        lambda: probe_figure(entries, shown.benchmark),
        "Accuracy of a linear classifier on every probed stage, at the last step (solid) and before training (dashed). "
        "Error bars: ±1 standard error over folds.",
        "",
    )
    yield _draw(drawing, shown)


def _scores_of_kind(shown: Shown, kind: ScoreKind) -> Iterator[Part]:
    """Make the tables and figures of one kind of score."""
    entries = entries_of(shown.series, shown.benchmark, kind.metrics)
    yield Heading(f"{tables_of.sentence(kind.title)} at the best stage", 3)
    yield tables_of.best_scores(entries, shown.benchmark, kind)
    series, name, stem = shown.series, shown.benchmark, _stem(shown, kind)
    drawings = (
        _Drawing(
            f"{stem}_bars",
            lambda: bars.bars_figure(entries, name, kind),
            "Networks in the order of their mean over panels. Striped bars: untrained; dotted bars: permuted weights. "
            f"{BAND_NOTE}",
            "No score at the best stage: no bars.",
        ),
        _Drawing(
            f"{stem}_trajectories",
            lambda: compared.trajectory_figure(series, name, kind),
            "Score at the best stage over training. Open marker: the untrained network; horizontal lines: networks "
            f"scored once. {BAND_NOTE}",
            "No run was scored at two or more steps: no trajectories.",
        ),
        _Drawing(
            f"{stem}_stage_curves",
            lambda: compared.stage_curves_figure(entries, name, kind),
            f"Score of every stage, at the last scored step (solid) and before training (dashed). {BAND_NOTE}",
            "No single stages were scored: no stage curves.",
        ),
    )
    for drawing in drawings:
        yield _draw(drawing, shown)
    yield from tables_of.comparisons(entries, kind, s.regions_of(t.summary_rows(shown.rows)))
    yield from _seeds(shown, kind)
    yield from _single_runs(shown, kind)
    if kind.counts:
        title = (
            f"{tables_of.sentence(kind.title)}: {' and '.join(title for title, _ in kind.counts)}, by network and stage"
        )
        yield Folded(title, [tables_of.counts(entries, kind)])


def _seeds(shown: Shown, kind: ScoreKind) -> Iterator[Part]:
    """Show runs that differ only in their seed as one; nothing if there are none."""
    regions = s.regions_of(t.summary_rows(shown.rows[shown.rows[t.METRIC] == kind.best_metric]))
    groups = groups_of(shown.series, shown.benchmark, kind, regions, shown.seed_pattern) if regions else []
    if not groups:
        return
    yield Heading(f"{tables_of.sentence(kind.title)} over seeds", 3)
    yield tables_of.seed_groups(groups, regions, kind)
    stem = _stem(shown, kind)
    for drawing in (
        _Drawing(
            f"{stem}_seeds_bars",
            lambda: group_figures.group_bars_figure(groups, regions, shown.benchmark, kind),
            "Bars: means over seeds (their number is after the name); dots: single seeds; error bars: ±1 standard "
            "error over seeds. Open bars: untrained or permuted.",
            "",
        ),
        _Drawing(
            f"{stem}_seeds_trajectories",
            lambda: group_figures.group_trajectories_figure(
                shown.series,
                groups,
                regions,
                benchmark=shown.benchmark,
                kind=kind,
                pattern=shown.seed_pattern,
            ),
            "Means over seeds at the steps at which all runs of a group were scored. Bands: ±1 standard error.",
            "No group was scored at two or more steps by all its seeds: no trajectories over seeds.",
        ),
    ):
        yield _draw(drawing, shown)


def _single_runs(shown: Shown, kind: ScoreKind) -> Iterator[Part]:
    """Make the figures of every single run: all stages over training, and heat maps."""
    parts = []
    runs = [one for one in shown.series if one.kind == "run"]
    for one in runs:
        rows = t.summary_rows(one.rows[one.rows[t.BENCHMARK] == shown.benchmark])
        rows = rows[rows[t.METRIC].isin(kind.metrics)].assign(**{t.RUN: one.name})
        if rows.empty or not s.stages_of(rows):
            continue
        stem = _stem(shown, kind)
        prefix = f"{one.name}_{stem}" if len(shown.series) > 1 else stem
        if rows[t.STEP].nunique() > 1:
            caption = f"{one.name}: every stage over training, from the first stage (dark) to the last (bright)."
            drawing = _Drawing(f"{prefix}_training", lambda rows=rows: one_run.training_figure(rows), caption, "")  # type: ignore[misc]
            parts.append(_draw(drawing, shown))
        if len(s.regions_of(rows)) == 1:
            continue
        caption = f"{one.name}: scores by stage and region. Dashes are undefined scores."
        drawing = _Drawing(f"{prefix}_heatmap", lambda rows=rows: one_run.heat_map_figure(rows), caption, "")  # type: ignore[misc]
        parts.append(_draw(drawing, shown))
    if not parts:
        return
    if len(runs) <= NUM_UNFOLDED_RUNS:
        yield Heading("Every stage", 3)
        yield from parts
    else:
        yield Folded(f"Every stage of each of {len(runs)} runs", parts)


def _region_stage(shown: Shown) -> Iterator[Part]:
    """Show the stages of the networks to which regions correspond."""
    entries = entries_of(shown.series, shown.benchmark, [t.REGION_STAGE_POSITION])
    yield Heading("Regions and stages", 3)
    drawing = _Drawing(
        f"{shown.benchmark}_region_stage",
        lambda: region_stage.region_stage_figure(entries, shown.benchmark, t.REGION_STAGE_POSITION),
        "Relative position of the best stage: 0 is the first, 1 the last. Large markers: means (open: untrained, "
        "half filled: permuted), with standard errors; small dots: participants.",
        "The table has no best-stage positions of regions.",
    )
    yield _draw(drawing, shown)
    yield from tables_of.region_tests(entries, s.regions_of(t.summary_rows(shown.rows)))


def _stage_scores(shown: Shown, kind: ScoreKind) -> Iterator[Part]:
    """Show a score of single stages, without a best stage."""
    entries = entries_of(shown.series, shown.benchmark, [kind.stage_metric])
    yield Heading(tables_of.sentence(kind.title), 3)
    drawing = _Drawing(
        _stem(shown, kind).replace("/", "_"),
        lambda: compared.stage_curves_figure(entries, shown.benchmark, kind),
        _CAPTIONS.get(kind.stage_metric, f"{tables_of.sentence(kind.label)} of every stage."),
        "",
    )
    yield _draw(drawing, shown)


def _matrices(shown: Shown) -> Iterator[Part]:
    """Show the dissimilarity of sounds, if the benchmark's data are available."""
    benchmark = shown.data
    if benchmark is None:
        sentence = "No matrices of sounds: give the benchmark's name or folder (--benchmark) to draw them."
        yield Paragraph(sentence, "soft")
        return
    drawn = {"responses": matrices.dissimilarity(benchmark.responses)}
    drawn |= {title: matrices.dissimilarity(values) for title, values in shown.features.items()}
    order = "sorted by category" if benchmark.categories else "in the benchmark's order (it has no categories)"
    title = f"{shown.benchmark}: dissimilarity of sounds"
    drawing = _Drawing(
        f"{shown.benchmark}_rdm",
        lambda: matrices.matrices_figure(drawn, benchmark.categories, title),
        f"Sounds {order}; mean over repetitions, units z-scored over sounds. Bright: dissimilar.",
        "",
    )
    yield Heading("Similarity of sounds", 3)
    yield _draw(drawing, shown)


def _draw(drawing: _Drawing, shown: Shown) -> Part:
    """Draw a figure, write its files and embed it; or return a sentence if there is nothing to draw."""
    figure = drawing.draw()
    if figure is None:
        return Paragraph(drawing.missing, "soft")
    shown.files.extend(style.save_figure(figure, shown.folder, drawing.stem, FILE_KINDS))
    return Picture(style.figure_bytes(figure, "svg").decode(), drawing.caption)


def _stem(shown: Shown, kind: ScoreKind) -> str:
    return "_".join(filter(None, (shown.benchmark, kind.name)))


def anchor(name: str, *, kind: str = "benchmark") -> str:
    """HTML id of the section on a benchmark or, with another `kind`, on labelled sounds."""
    return f"{kind}-" + "".join(character if character.isalnum() else "-" for character in name)
