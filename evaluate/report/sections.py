"""Sections of the report: the figures and tables on one benchmark, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from datamodules.files import write_text
from evaluate.benchmarks.benchmark import Benchmark
from evaluate.metrics.behaviour import CORRECT
from evaluate.metrics.rsa import SIMILARITY
from evaluate.metrics.score_kinds import ENCODING_KINDS
from evaluate.options import SEED_PATTERN
from evaluate.report.error_texts import band_note
from evaluate.report.figures import (
    bars,
    compared,
    listeners,
    matrices,
    one_run,
    parts,
    region_stage,
    stage_time,
    style,
    time_course,
)
from evaluate.report.figures import groups as group_figures
from evaluate.report.figures import selection as s
from evaluate.report.figures.findings import findings_figure
from evaluate.report.figures.probes import probe_figure
from evaluate.report.figures.selection import ScoreKind
from evaluate.report.figures.series import Entry, Series, entries_of, series_for
from evaluate.report.findings.claims import Compared, findings_of
from evaluate.report.findings.section import findings_parts, findings_table, main_effects
from evaluate.report.findings.training import Training
from evaluate.report.page import Folded, Heading, Paragraph, Part, Picture
from evaluate.report.seed_groups import groups_of
from evaluate.report.tables import ceiling_tables, comparison_tables, paper_tables, score_tables, shared_variance
from evaluate.report.tables.cells import sentence
from evaluate.scoring import table as t

if TYPE_CHECKING:
    import pandas as pd


FILE_KINDS = ("png", "pdf")
NUM_UNFOLDED_RUNS = 2
"""Maximum number of runs whose single figures are shown; those of more runs are folded."""


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
        trainings: What networks were trained for, by name of the series.
        has_published: Whether bars show the published networks, too.
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
    trainings: Mapping[str, Training] = {}
    has_published: bool = True


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
        of_kind = shown._replace(series=series_for(shown.series, kind), rows=kind.of_parts(shown.rows))
        yield from _scores_of_kind(of_kind, kind)
    if any(kind in ENCODING_KINDS for kind in kinds):
        yield from _region_stage(shown)
    for kind in stage_kinds:
        of_kind = shown._replace(series=series_for(shown.series, kind), rows=kind.of_parts(shown.rows))
        yield from _stage_scores(of_kind, kind)
    has_responses = shown.data is not None and shown.data.trials is None
    if has_responses or any(kind in (*ENCODING_KINDS, SIMILARITY) for kind in kinds):
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
    yield score_tables.probes(entries)
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
    yield Heading(sentence(kind.best_title), 3)
    regions = s.regions_of(t.summary_rows(shown.rows))
    if kind == CORRECT:
        yield from _listeners(shown, entries)
    yield score_tables.best_scores(entries, shown.benchmark, kind)
    yield from ceiling_tables.shares_of_ceilings(entries, kind)
    yield from score_tables.best_stages(entries, kind)
    series, name, stem = shown.series, shown.benchmark, _stem(shown, kind)
    error_bars, bands = (band_note(entries, kind.best_metric, regions, what=what) for what in ("Error bars", "Bands"))
    of_stages = band_note(entries, kind.stage_metric, regions, what="Bands", of_stages=True)
    drawings = (
        _Drawing(
            f"{stem}_bars",
            lambda: bars.bars_figure(entries, name, kind, published=shown.has_published),
            "Networks in the order of their mean over panels. Striped bars: untrained; dotted bars: permuted weights, "
            f"in the row of their network if it is shown. {error_bars}",
            "No score at the best stage: no bars.",
        ),
        _Drawing(
            f"{stem}_trajectories",
            lambda: compared.trajectory_figure(series, name, kind),
            "Score at the best stage over training. Open marker: the untrained network; horizontal lines: networks "
            f"scored once. {bands}",
            "No run was scored at two or more steps: no trajectories.",
        ),
        _Drawing(
            f"{stem}_stage_curves",
            lambda: compared.stage_curves_figure(entries, name, kind),
            f"Score of every stage, at the last scored step (solid) and before training (dashed). {of_stages}",
            "No single stages were scored: no stage curves.",
        ),
    )
    if kind.reference:
        yield from _parts(shown, kind, entries)
    in_time = _drawings_in_time(shown, kind, entries) if kind.course_metric else ()
    for drawing in (*(drawings if kind.selects_stage else drawings[:2]), *in_time):
        yield _draw(drawing, shown)
    yield from paper_tables.against_baseline(entries, kind, regions)
    yield from paper_tables.published(entries, name, kind)
    yield from comparison_tables.comparisons(entries, kind, regions)
    yield from comparison_tables.published_errors(entries, kind, regions)
    yield from _seeds(shown, kind)
    if kind in ENCODING_KINDS:
        yield from _findings(shown, kind, entries, regions)
    yield from _single_runs(shown, kind)
    if kind.counts:
        title = f"{sentence(kind.title)}: {' and '.join(title for title, _ in kind.counts)}, by network and stage"
        yield Folded(title, [score_tables.counts(entries, kind)])


def _listeners(shown: Shown, entries: Sequence[Entry]) -> Iterator[Part]:
    """Compare networks with listeners: the picture over SNRs, and how alike they are."""
    drawing = _Drawing(
        f"{shown.benchmark}_listeners",
        lambda: listeners.listeners_figure(entries, shown.benchmark),
        "Fraction of sounds recognised by SNR and kind of background: listeners (black) and networks at the last "
        "scored step (solid) and before training (dashed). Error bars: ±1 standard error, of networks over sounds.",
        "No accuracy of single conditions: no picture.",
    )
    yield _draw(drawing, shown)
    yield score_tables.likeness(entries)


def _drawings_in_time(shown: Shown, kind: ScoreKind, entries: Sequence[Entry]) -> tuple[_Drawing, ...]:
    """List the figures of responses in time: when networks predict them, and with which lag."""
    stem = _stem(shown, kind)
    return (
        _Drawing(
            f"{stem}_course",
            partial(time_course.time_course_figure, entries, shown.benchmark, kind),
            "When networks predict the responses: correlation over the test sounds in each time bin, at the stage that "
            "was selected most often (dashed: before training). Medians over units.",
            "No scores at single times.",
        ),
        _Drawing(
            f"{stem}_lag",
            partial(time_course.peak_lag_figure, entries, shown.benchmark),
            "How far the responses lag behind each stage: the delay at which the prediction varies most. Medians over "
            "units. A region that lags behind all stages alike processes the same sound later.",
            "No lags, or networks with different stages: no figure of lags.",
        ),
    )


def _parts(shown: Shown, kind: ScoreKind, entries: Sequence[Entry]) -> Iterator[Part]:
    """Show what networks explain alone and share with a reference: a table, bars, and curves over training."""
    table = shared_variance.parts_of_entries(entries, kind)
    if table.empty:
        return
    yield from shared_variance.parts_table(table)
    name, stem = shown.benchmark, _stem(shown, kind)
    caption = (
        f"Parts of the explained variance, all stages of a network together, with {kind.reference}. A network that has "
        f"learned nothing beyond {kind.reference} has no blue bar; one that has lost nothing of it has no orange bar. "
        "Errors and medians are those of the table above."
    )
    yield _draw(_Drawing(f"{stem}_parts", lambda: parts.reference_figure(table, name), caption, ""), shown)
    for one in shown.series:
        over = shared_variance.parts_over_training(one, name, kind)
        if len(over):
            prefix = f"{one.name}_{stem}" if len(shown.series) > 1 else stem
            caption = f"{one.name}: the same parts over training. Bands: ± the error of the bars."
            draw = partial(parts.parts_over_training_figure, over, name)
            yield _draw(_Drawing(f"{prefix}_parts_training", draw, caption, ""), shown)


def pairs_section(benchmark: str, table: pd.DataFrame, folder: Path, files: list[Path]) -> Iterator[Part]:
    """Make the section on what pairs of networks share.

    Args:
        benchmark: Name of the benchmark.
        table: Rows of the command `partition` on this benchmark.
        folder: Folder of the figures.
        files: List to which the files of figures are added.

    Yields:
        Parts of the page.
    """
    shown = Shown(benchmark, [], table, folder, files)
    yield Heading(f"{benchmark}: what networks share", 2, anchor(benchmark, kind="partition"))
    yield Paragraph(
        "Ridge regression predicts the responses from network A, from network B and from both at once. Only A: R² of "
        "both minus R² of B. Shared: R² of A plus R² of B minus R² of both. With repetitions, all are relative to the "
        "reliability of the responses. Parts of a single network may be slightly negative: they are then zero within "
        "their error. Medians over units are taken of each part on its own: they need not add up, as means do."
    )
    drawn = [_Drawing(stem, draw, caption, "") for stem, draw, caption in parts.parts_drawings(table, benchmark)]
    single = [_draw(each, shown) for each in drawn]
    if len(single) <= NUM_UNFOLDED_RUNS + 1:
        yield from single
    else:  # the matrix comes first
        yield single[0]
        yield Folded(f"Each of {len(single) - 1} pairs of networks", single[1:])


def _seeds(shown: Shown, kind: ScoreKind) -> Iterator[Part]:
    """Show runs that differ only in their seed as one; nothing if there are none."""
    regions = s.regions_of(t.summary_rows(shown.rows[shown.rows[t.METRIC] == kind.best_metric]))
    groups = groups_of(shown.series, shown.benchmark, kind, regions, shown.seed_pattern) if regions else []
    if not groups:
        return
    yield Heading(f"{sentence(kind.title)} over seeds", 3)
    yield score_tables.seed_groups(groups, regions, kind)
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
            "Means over seeds at the steps at which all runs of a group were scored; horizontal lines: controls and "
            "baselines. Bands: ±1 standard error over seeds.",
            "No group was scored at two or more steps by all its seeds: no trajectories over seeds.",
        ),
    ):
        yield _draw(drawing, shown)


def _findings(shown: Shown, kind: ScoreKind, entries: Sequence[Entry], regions: Sequence[str]) -> Iterator[Part]:
    """Test the claims of the paper on the networks, and write all effects to a file."""
    compared = Compared(entries, shown.trainings, kind, regions, shown.seed_pattern)
    findings = findings_of(compared)
    effects = main_effects(findings)
    if not effects:
        return
    stem = f"{_stem(shown, kind)}_findings"
    path = style.figure_path(shown.folder, stem, "csv")
    write_text(path, findings_table(findings).to_csv(index=False, na_rep="nan"))
    drawing = _Drawing(
        stem,
        lambda: findings_figure(effects, shown.benchmark),
        f"Effects with 95 % intervals; colours are verdicts. The file {path.name} has all effects, by region too.",
        "",
    )
    yield from findings_parts(findings, _draw(drawing, shown))


def _single_runs(shown: Shown, kind: ScoreKind) -> Iterator[Part]:
    """Make the figures of every single run: all stages over training, and heat maps."""
    pictures = []
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
            caption += f" Black: the best stage. {one_run.BEST_STAGE_NOTE}" if kind.best_metric else ""
            drawing = _Drawing(f"{prefix}_training", lambda rows=rows: one_run.training_figure(rows, kind), caption, "")  # type: ignore[misc]
            pictures.append(_draw(drawing, shown))
        if kind.course_metric:
            of_run = one.rows[one.rows[t.BENCHMARK] == shown.benchmark].assign(**{t.RUN: one.name})
            caption = f"{one.name}: when every stage predicts best. Dots: the best stage of each time."
            missing = "No scores at single times."
            draw = partial(stage_time.stage_time_figure, of_run, kind)
            pictures.append(_draw(_Drawing(f"{prefix}_stage_time", draw, caption, missing), shown))
        if len(s.regions_of(rows)) == 1:
            continue
        what = "region" if kind.parts is None else "part"
        caption = f"{one.name}: scores by stage and {what}. Dashes are undefined scores."
        caption += f" {one_run.BEST_STAGE_NOTE}" if kind.best_metric else ""
        drawing = _Drawing(f"{prefix}_heatmap", lambda rows=rows: one_run.heat_map_figure(rows, kind), caption, "")  # type: ignore[misc]
        pictures.append(_draw(drawing, shown))
    if not pictures:
        return
    if len(runs) <= NUM_UNFOLDED_RUNS:
        yield Heading("Every stage", 3)
        yield from pictures
    else:
        yield Folded(f"Every stage of each of {len(runs)} runs", pictures)


def _region_stage(shown: Shown) -> Iterator[Part]:
    """Show the stages of the networks to which regions correspond."""
    entries = entries_of(shown.series, shown.benchmark, [t.REGION_STAGE_POSITION])
    yield Heading("Regions and stages", 3)
    drawing = _Drawing(
        f"{shown.benchmark}_region_stage",
        lambda: region_stage.region_stage_figure(entries, shown.benchmark, t.REGION_STAGE_POSITION),
        "Relative position of the best stage: 0 is the first, 1 the last. Large markers: means (open: untrained, "
        "half filled: permuted), with standard errors; small dots: participants. Of many networks, positions are drawn "
        "against those of primary cortex: above the diagonal, later stages predict the other region best.",
        "The table has no best-stage positions of regions.",
    )
    yield _draw(drawing, shown)
    yield from comparison_tables.region_tests(entries, s.regions_of(t.summary_rows(shown.rows)))


def _stage_scores(shown: Shown, kind: ScoreKind) -> Iterator[Part]:
    """Show a score of single stages, without a best stage."""
    entries = entries_of(shown.series, shown.benchmark, [kind.stage_metric])
    yield Heading(sentence(kind.title), 3)
    yield score_tables.stage_ends(entries, kind)
    drawing = _Drawing(
        _stem(shown, kind).replace("/", "_"),
        lambda: compared.stage_curves_figure(entries, shown.benchmark, kind),
        _CAPTIONS.get(kind.stage_metric, f"{sentence(kind.label)} of every stage."),
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
