"""The report: one page on the score tables of one or several runs, and its figures as files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datamodules.files import write_text
from evaluate.benchmarks.benchmark import Benchmark
from evaluate.benchmarks.published.release import TUCKUTE_CITATION
from evaluate.metrics.metric import BEST_STAGE, ScoreKind
from evaluate.metrics.score_kinds import ENCODING_KINDS, kinds_in
from evaluate.metrics.temporal.temporal_metric import TEMPORAL_KINDS
from evaluate.options import FIGURES_FOLDER, REPORT_FILE, SEED_PATTERN
from evaluate.report.figures.series import Series, series_of
from evaluate.report.findings.training import Training
from evaluate.report.page import Heading, Links, Paragraph, Part, render
from evaluate.report.sections import Shown, anchor, pairs_section, probe_section, section
from evaluate.report.tables import score_tables
from evaluate.scoring import table as t
from networks.text.wording import counted

if TYPE_CHECKING:
    import pandas as pd


Features = Mapping[str, Mapping[str, np.ndarray]]
"""Features (S, D) by benchmark and title, such as "fsdd, relu3"."""


@dataclass(frozen=True)
class Report:
    """The files of a report.

    Attributes:
        page: File of the page.
        figures: Files of the figures.
    """

    page: Path
    figures: tuple[Path, ...]


def write_report(
    tables: Mapping[str, pd.DataFrame],
    folder: str | Path,
    *,
    benchmarks: Sequence[Benchmark] = (),
    features: Features | None = None,
    seed_pattern: str = SEED_PATTERN,
    kinds: Iterable[ScoreKind] = (),
    remarks: Sequence[str] = (),
    trainings: Mapping[str, Training] | None = None,
    pairs: pd.DataFrame | None = None,
    has_published: bool = True,
    progress: Callable[[str, int, int], None] | None = None,
) -> Report:
    """Write a page that compares the networks in score tables, and its figures as PNG and PDF.

    If the tables have no rows for a part, a sentence on the page says so.

    Args:
        tables: Score tables by name (such as that of the folder), from the callback or from
            `python -m evaluate score`; they may contain rows of `python -m evaluate probe`.
        folder: Folder of `report.html` and `figures/`; created if missing.
        benchmarks: Benchmarks whose dissimilarity matrices of sounds are drawn.
        features: Features of networks whose matrices are drawn next to them.
        seed_pattern: Regular expression to remove from names of runs. Runs with equal remaining names are also shown as
            one, with mean and error over them.
        kinds: Kinds of users' metrics, see `evaluate.metrics.score_kinds`.
        remarks: Sentences about the tables for the head of the page.
        trainings: What networks were trained for, by name of the series: claims about tasks are tested on these.
        pairs: Rows of `python -m evaluate partition`: what pairs of networks explain alone and share.
        has_published: Whether bars show the published networks, too.
        progress: Called as `progress(what, num_done, num_total)` for each benchmark.

    Returns:
        The files written.

    Raises:
        TableError: No table has any rows.
    """
    import pandas as pd

    folder = Path(folder)
    series = series_of(tables) if tables else []
    rows = pd.concat([one.rows for one in series], ignore_index=True) if series else t.make_table([])
    is_probe = rows[t.METRIC].isin(t.PROBE_METRICS)
    scores, probes = rows[~is_probe], rows[is_probe]
    names, sounds = (list(dict.fromkeys(each[t.BENCHMARK])) for each in (scores, probes))
    of_pairs = [] if pairs is None else list(dict.fromkeys(pairs["benchmark"]))
    if rows.empty and not of_pairs:
        raise t.TableError(f"there are no scores to report: no rows in {', '.join(tables) or 'no table'}")
    own_kinds = tuple(kinds)
    (folder / FIGURES_FOLDER).mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    sections: list[Part] = []
    for number, name in enumerate(names):
        if progress:
            progress(name, number, len(names))
        shown = Shown(
            benchmark=name,
            series=series,
            rows=scores[scores[t.BENCHMARK] == name],
            folder=folder / FIGURES_FOLDER,
            files=files,
            data=next((benchmark for benchmark in benchmarks if benchmark.name == name), None),
            features=(features or {}).get(name, {}),
            seed_pattern=seed_pattern,
            kinds=own_kinds,
            trainings=trainings or {},
            has_published=has_published,
        )
        sections += section(shown)
    for name in sounds:
        of_sounds = probes[probes[t.BENCHMARK] == name]
        sections += probe_section(Shown(name, series, of_sounds, folder / FIGURES_FOLDER, files))
    for name in of_pairs:
        assert pairs is not None
        sections += pairs_section(name, pairs[pairs["benchmark"] == name], folder / FIGURES_FOLDER, files)
    if progress:
        progress("page", len(names), len(names))
    places = [(anchor(name), name) for name in names]
    places += [(anchor(name, kind="probe"), f"{name}: linear probes") for name in sounds]
    places += [(anchor(name, kind="partition"), f"{name}: what networks share") for name in of_pairs]
    in_pairs = set() if pairs is None else {*pairs["a"], *pairs["b"]}
    head = _head(
        names,
        sounds,
        series,
        tables,
        own_kinds,
        remarks=remarks,
        places=places,
        num_in_pairs=len(in_pairs),
        num_benchmarks=len({*names, *of_pairs}),
    )
    parts = [*head, *sections, *_foot(rows)]
    write_text(folder / REPORT_FILE, render("Brain scores", parts))
    return Report(folder / REPORT_FILE, tuple(files))


def _head(
    names: Sequence[str],
    sounds: Sequence[str],
    series: Sequence[Series],
    tables: Mapping[str, pd.DataFrame],
    kinds: Sequence[ScoreKind],
    *,
    remarks: Sequence[str],
    places: Sequence[tuple[str, str]],
    num_in_pairs: int,
    num_benchmarks: int,
) -> Iterator[Part]:
    """Make the title, the list of what is compared, and the overview."""
    yield Heading("Brain scores", 1)
    of_tables = f"{counted(len(tables), 'table')} ({', '.join(tables)})"
    of_networks = counted(len(series) or num_in_pairs, "network")
    if num_started := sum(one.is_scored_before_training for one in series):
        of_networks += f" ({f'{num_started} ' if num_started < len(series) else ''}also before training)"
    yield Paragraph(
        f"From {of_tables}: {of_networks}, {counted(num_benchmarks, 'benchmark')}"
        f"{', linear probes of labelled sounds' if sounds else ''}.",
        "soft",
    )
    for text in remarks:
        yield Paragraph(f"{text[:1].upper()}{text[1:]}.", "warning")
    yield Links(dict(places))
    yield from score_tables.failures(series)
    if names:
        yield Heading("Overview: score at the best stage, all units together", 3)
        yield score_tables.overview(series, names, kinds)


_ENCODING_NOTES = (
    "R²: squared correlation of predicted and measured responses to sounds that the regression was not fitted to. "
    "Negative correlations count as 0, which is about chance. Noise-corrected R² is divided by the reliability of "
    "responses and predictions: 1 means that all explainable variance is explained. Scores are the median over ten "
    "splits of the sounds, then the median over a participant's units, then the mean over participants.",
    "Best stage: selected for each unit on half of the splits and scored on the other half, ten times, so that the "
    "selection does not raise the score.",
)
_TEST_NOTES = (
    "Standard errors after ± say what they are over: participants, sounds, or iterations of stage selection (published "
    "for components, which have no participants). Those of a network depend on its own scores alone. Figures show "
    "those over participants, and those over sounds for components and single participants.",
    "Tests between two networks are one-tailed, for the network with the higher mean, and not corrected for their "
    "number: a bootstrap over participants (10 000 resamples), for components the published permutation of the "
    "iterations; and a t test over the splits of the sounds that is corrected for their overlap. Tests against the "
    "baseline are paired and corrected for the number of networks. With n participants, the p of a test over them is "
    "at least 2⁻ⁿ, the probability that n differences have the same sign as their mean by chance.",
)
_TIME_NOTES = (
    "Responses in time: each unit's time course is predicted from the activations of one stage in the last 400 ms. "
    "R² is over all pairs of a test sound and a time bin; the correlation in a time bin is over the test sounds. The "
    "peak lag is the delay between a stage's activation and the response at which the prediction varies most.",
)
_PARTITION_NOTES = (
    "Explained variance in parts: R² of two networks together minus R² of one of them is what only the other explains. "
    "Shared variance is what either of them explains. A network that predicts as well as another may still predict "
    "another part of the responses.",
)
_PROBE_NOTES = (
    "Linear probes: a support vector machine classifies labelled sounds by a stage's activations for random crops. Its "
    "penalty is chosen within the training folds, and the crops of a sound vote on its label.",
)
_CONTROL_NOTES = (
    "“untrained” is the network before its first update, “permuted” the trained one with each tensor's weights "
    "shuffled.",
)


def _foot(rows: pd.DataFrame) -> Iterator[Part]:
    """How the numbers on this page are made, and what to cite."""
    metrics, kinds = set(rows[t.METRIC]), set(rows[t.KIND])
    has_encoding = any(kind.stage_metric in metrics for kind in ENCODING_KINDS)
    has_best = any(metric.startswith(BEST_STAGE) for metric in metrics)
    notes = (
        *(_ENCODING_NOTES if has_encoding else ()),
        *(_TIME_NOTES if any(kind.stage_metric in metrics for kind in TEMPORAL_KINDS) else ()),
        *(_PARTITION_NOTES if any(kind.reference for kind in kinds_in(metrics)) else ()),
        *(_TEST_NOTES if has_best else ()),
        *(_PROBE_NOTES if metrics & set(t.PROBE_METRICS) else ()),
        *(_CONTROL_NOTES if kinds & {"untrained", "permuted"} else ()),
    )
    if notes:
        yield Heading("How to read this", 2)
    for sentence in notes:
        yield Paragraph(sentence)
    yield from score_tables.short_names(rows)
    if has_best:
        yield Paragraph(f"Published values are read from the figures of: {TUCKUTE_CITATION}", "soft")
