"""Every metric has a table on screen, a section with tables and figures in the report, figures and logged names."""

import io
import re
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from evaluate.benchmarks import ALL, Benchmark
from evaluate.benchmarks.behaviour.trials import Trials
from evaluate.callback.logged import logged_names, logged_stages, logged_values
from evaluate.commands.shown_scores import show_scores
from evaluate.metrics import load_metrics
from evaluate.metrics.metric import Computing, ScoreKind, share_of
from evaluate.metrics.score_kinds import OUR_KINDS, kinds_in, load_kinds, save_kinds
from evaluate.metrics.selected_stage import selected_stages
from evaluate.metrics.within_category import WITHIN_CATEGORY
from evaluate.report.figures import style, write_figures
from evaluate.report.report import write_report
from evaluate.scoring import table as t
from networks import NetworkIdentity
from networks.commands.console_tables import MAX_COLUMNS
from tests.helpers.metric_names import EVERY_METRIC

STAGES = ("relu0", "pool0", "relufc")


class Shown(NamedTuple):
    """All that shows the scores of every metric, of a network scored before and after training."""

    benchmark: Benchmark
    table: pd.DataFrame
    kinds: dict[str, tuple[ScoreKind, ...]]
    screen: str
    page: str
    titles: dict[str, str]
    during_training: set[str]


def small_benchmark():
    rng = np.random.default_rng(1)
    units = pd.DataFrame({"unit": list("0123"), "subject": ["s1", "s1", "s2", "s2"], "region": ["A"] * 4})
    return Benchmark(
        name="tiny",
        version="1",
        stimulus_names=tuple(f"sound{i}" for i in range(24)),
        waveforms=lambda *_: np.zeros((24, 4), np.float32),
        responses=rng.standard_normal((24, 4, 1, 1)) + 0.5 * rng.standard_normal((24, 4, 2, 3)),
        rate_hz=2.0,
        units=units,
        categories=tuple("ab"[i % 2] for i in range(24)),
        noise_corrected=True,
    )


def with_listeners(benchmark):
    """The same sounds as trials: a letter is the right answer to each."""
    conditions = tuple(f"noise, {snr} dB" for snr in (-3, 0, 3))
    humans = pd.DataFrame({"condition": conditions, "accuracy": [0.2, 0.3, 0.6]})
    labels = tuple("uvwxyz"[number % 6] for number in range(24))
    trials = Trials("word", labels, tuple(conditions[number % 7 % 3] for number in range(24)), humans)
    return replace(benchmark, trials=trials)


def on_screen(table):
    file = io.StringIO()
    show_scores(table, Console(file=file, width=200))
    return file.getvalue()


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Figures are made, but saved as empty files: drawing them takes most of the time."""
    benchmark, folder, titles = small_benchmark(), tmp_path_factory.mktemp("shown"), {}
    mean = benchmark.responses.mean(axis=2)
    features = {
        stage: mean @ rng.standard_normal((4, 6)) + rng.standard_normal((24, 6))
        for stage, rng in zip(STAGES, map(np.random.default_rng, range(3)), strict=True)
    }
    metrics = load_metrics(EVERY_METRIC)
    rows = []
    listeners = with_listeners(benchmark)
    computing = Computing(reference=np.random.default_rng(9).standard_normal((24, 6)))
    for metric in metrics.values():
        if metric.of_heads:
            heads = {
                "word": metric.measure(features["relufc"], listeners, "word", Computing(class_names=tuple("uvwxyz")))
            }
            rows += metric.tabulate(heads, listeners)
            continue
        arrays = {stage: of[:, :, None] if metric.in_time else of for stage, of in features.items()}
        measured = {stage: metric.measure(of, benchmark, stage, computing) for stage, of in arrays.items()}
        if metric.join is not None:
            measured[ALL] = metric.join(measured, benchmark, computing)
        rows += metric.tabulate(measured, benchmark)
    steps = [(0, "untrained"), (10, "trained")]
    table = pd.concat(
        [t.identified(rows, "tiny", NetworkIdentity(run="demo", step=step, kind=kind)) for step, kind in steps],
        ignore_index=True,
    )

    def save(figure, place, stem, kinds=("png",)):
        paths = [style.figure_path(place, stem, kind) for kind in kinds]
        for path in paths:
            path.touch()
        titles[stem] = figure.get_suptitle()
        return paths

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "save_figure", save)
        patch.setattr(style, "figure_bytes", lambda *_: b"<svg/>")
        page = write_report({"t": table}, folder).page.read_text()
        during_training = {path.name for path in write_figures(table, folder / "during")}
    kinds = {name: metric.kinds(benchmark) for name, metric in metrics.items()}
    return Shown(benchmark, table, kinds, on_screen(table), re.sub(r"\s+", " ", page), titles, during_training)


@pytest.mark.parametrize("name", EVERY_METRIC)
def test_every_metric_is_shown_everywhere(name, shown):
    kinds = shown.kinds[name]
    assert kinds
    assert {kind.stage_metric for kind in kinds if not kind.reference} <= {kind.stage_metric for kind in OUR_KINDS}
    for kind in kinds:
        assert f"tiny: {kind.title}" in " ".join(shown.screen.split())  # long titles are wrapped
        section = shown.page.partition(f"<h3>{kind.title[:1].upper()}{kind.title[1:]}")[2].partition("<h3>")[0]
        assert "<table" in section
        assert section.partition("</table>")[0].count("demo") == 2, "a row for each of the two steps"
        assert "<img" in section
        assert any(title.startswith(f"tiny: {kind.title}") for title in shown.titles.values())
        stem = "_".join(filter(None, ("tiny", kind.name)))
        assert f"{stem}_training.png" in shown.during_training
        assert shown.during_training & {f"{stem}_stages.png", f"{stem}_heatmap.png"}
    each = [one for kind in kinds for one in kind.each]
    values = logged_values(shown.table, each)
    benchmark = with_listeners(shown.benchmark) if name == "behaviour" else shown.benchmark
    assert set(values) <= set(logged_names(benchmark, STAGES, each))
    assert values.keys() == logged_values(shown.table, kinds).keys()
    assert len(values) >= len(STAGES)
    assert not np.isnan(list(values.values())).all()


@pytest.mark.parametrize("name", ["encoding", "rsa", "within_category", "temporal", "partition:untrained:self"])
def test_every_metric_with_a_best_stage_names_it(name, shown):
    (kind,) = shown.kinds[name]
    rows = shown.table[
        shown.table[t.METRIC].isin([each for one in kind.each for each in (*one.metrics, one.share_metric)])
    ]
    lines = best_stage_lines(rows)
    assert len(lines) == 2
    stages = selected_stages(kind.of_parts(rows[rows[t.STEP] == 10]), kind)
    assert lines[0] == lines[1] == [stage.name for stage in stages.values()]
    assert set(lines[0]) <= set(STAGES)
    of_paths = rows.replace({t.STAGE: {stage: f"model.{stage}.0" for stage in STAGES}})
    assert best_stage_lines(of_paths) == [[f"{stage}.0" for stage in line] for line in lines]
    section = shown.page.partition(f"<h3>{kind.title[:1].upper()}{kind.title[1:]}")[2].partition("<h3>")[0]
    table = section.partition("Best stage: the one that was selected most often")[2].partition("</table>")[0]
    for stage in stages.values():
        assert f'{stage.name} <span class="error">{100 * stage.share:.0f} %</span>' in table
    logged = logged_stages(rows[rows[t.STEP] == 10], [kind])
    parts = [kind.name, *([] if kind.parts is None else ["a"])]
    stage = logged["/".join(filter(None, ("brain", "tiny", *parts, "best_stage")))]
    assert stage == stages["all" if kind.parts is None else "a"]
    assert stage.name == STAGES[stage.place]
    assert 1 / 3 <= stage.share <= 1


def best_stage_lines(rows):
    """The names in the lines of best stages on screen."""
    return [line.split()[2:] for line in on_screen(rows).splitlines() if line.startswith("   best stage")]


def test_categories_are_the_columns_of_scores_within_them(shown):
    lines = [line.split() for line in shown.screen.partition("R² within categories")[2].split("\n")]
    assert ["network", "step", "a", "b"] in lines
    after = shown.table[(shown.table[t.STEP] == 10) & (shown.table[t.SUBJECT] == "all")]
    values = after[after[t.REGION] == "all"].set_index(t.METRIC)[t.VALUE]
    expected = [f"{values[f'best_stage_within_category_r2/{name}']:.3f}" for name in "ab"]
    assert ["demo", "10", *expected] in lines
    overview = shown.page.partition("Overview")[2].partition("</table>")[0]
    assert "representational" in overview
    assert "within" not in overview  # there is no score over all categories
    assert shown.titles["tiny_within_category_r2_heatmap"] == "tiny: R² on test sounds of one category (demo)"


def test_many_regions_have_several_tables(shown):
    rows = shown.table[shown.table[t.REGION] == "A"]
    table = pd.concat([shown.table, *(rows.assign(region=f"region{number}") for number in range(MAX_COLUMNS))])
    titles = " ".join(on_screen(table).split())
    for title in ("noise-corrected R²", "noise-corrected R² in time", "noise-corrected R² beyond untrained-self"):
        assert titles.count(f"{title} at the best stage") == 2
    assert titles.count("(continued)") == 3


def test_parts_of_a_score():
    kind = replace(WITHIN_CATEGORY, parts=("a", "b/c"))
    assert [each.stage_metric for each in kind.each] == ["within_category_r2/a", "within_category_r2/b/c"]
    assert [each.share_metric for each in kind.each] == [
        "best_stage_within_category_r2_share/a",
        "best_stage_within_category_r2_share/b/c",
    ]
    assert share_of("best_stage_r2") == "best_stage_r2_share"
    assert WITHIN_CATEGORY.each == ()


def test_parts_of_a_users_score_are_saved(tmp_path):
    kind = ScoreKind(stage_metric="mine", label="mine", title="mine", symbol="m", name="mine", parts=("x", "y"))
    save_kinds(tmp_path, [kind])
    assert load_kinds(tmp_path) == [kind]
    assert kinds_in(["mine/x", "mine/y", "encoding_r2"], [kind])[-1] == kind
    assert [found.stage_metric for found in kinds_in(["mine/x", "mine/y"])] == ["mine/x", "mine/y"]  # without the file
