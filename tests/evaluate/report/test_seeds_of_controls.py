"""Controls that differ in their seed alone are one network, with errors over seeds; so is a network in two folders."""

import numpy as np
import pytest

from evaluate.metrics.standard_errors import standard_error
from evaluate.report import comparisons, error_texts, seed_groups
from evaluate.report.figures import bars, compared
from evaluate.report.figures import groups as group_figures
from evaluate.report.figures import selection as s
from evaluate.report.figures.series import series_of
from evaluate.report.findings.claims import Compared, findings_of
from evaluate.report.findings.finding import Finding
from evaluate.report.findings.section import findings_parts
from evaluate.report.tables import score_tables
from evaluate.scoring import table as t
from tests.helpers.score_tables import ENCODING, entries, merged_as_they_are, voxel_table

LEVELS = {"0": 0.1, "1": 0.14, "7": 0.18}
"""Level of the scores by seed: the best stages are 0.06 + 0.1 (step 10) above."""
MEAN, ERROR = 0.3, float(standard_error(np.array(list(LEVELS.values()))))


def control(seed, level, *, kind="permuted", step=10):
    table = voxel_table("demo", steps=(step,), level=level)
    identity = {
        t.RUN: f"demo/last ({kind}, seed {seed})",
        t.CHECKPOINT: f"{kind}:runs/demo/checkpoints/last.ckpt:{seed}",
        t.KIND: kind,
        t.PARENT: "demo",
        t.SEED: seed,
    }
    return table.assign(**identity)


def with_controls(kind="permuted"):
    run = voxel_table("demo", checkpoint="runs/demo/checkpoints/last.ckpt")
    return merged_as_they_are(run, *(control(seed, level, kind=kind) for seed, level in LEVELS.items()))


@pytest.fixture(scope="module")
def table():
    return with_controls()


def test_seeds_of_a_control_are_one_network(table):
    found = {one.name: one for one in series_of({"t": table})}
    assert list(found) == ["demo", "demo, permuted (3 seeds)"]
    pooled = found["demo, permuted (3 seeds)"]
    assert [one.name for one in pooled.seeds] == [
        "demo, permuted",
        "demo, permuted (seed 1)",
        "demo, permuted (seed 7)",
    ]
    assert pooled.colour == found["demo"].colour
    best = t.summary_rows(pooled.rows)
    np.testing.assert_allclose(best[best[t.METRIC] == ENCODING[1]][t.VALUE], MEAN)
    assert s.stages_of(pooled.rows) == s.stages_of(found["demo"].rows)
    trained, untrained, permuted = entries(table)
    assert (trained.seeds, untrained.seeds) == ([], [])
    assert [entry.series.name for entry in permuted.seeds] == [one.name for one in pooled.seeds]
    assert permuted.is_permutation_of(trained)


def test_tables_and_captions_name_the_error_over_seeds(table):
    shown = score_tables.best_scores(entries(table), "NH2015", s.CORRECTED)
    cells = {row[0].text: row[2] for row in shown.rows}
    assert cells["demo, permuted (3 seeds)"].second_note == f"± {ERROR:.3f} seeds"
    assert cells["demo, permuted (3 seeds)"].note.endswith("participants, n = 4 < 5")
    assert cells["demo, step 10"].second_note == ""
    note = error_texts.band_note(entries(table), ENCODING[1], ["all"])
    assert (
        note == "Error bars: ±1 standard error over participants (n = 4 < 5); over seeds for controls of several seeds."
    )


def test_the_second_bar_has_mean_and_error_over_seeds(table):
    figure = bars.bars_figure(entries(table), "NH2015", s.CORRECTED, published=False)
    panel = figure.axes[0]
    assert [label.get_text() for label in panel.get_yticklabels()] == ["demo, untrained", "demo, step 10"]
    second = next(bar for bar in panel.patches if bar.get_height() == pytest.approx(0.34))
    assert second.get_width() == pytest.approx(MEAN)
    lines = [segment for found in panel.collections for segment in found.get_segments()]
    ends = [(start[0], end[0]) for start, end in lines if start[1] == pytest.approx(second.get_y() + 0.17)]
    np.testing.assert_allclose(ends, [(MEAN - ERROR, MEAN + ERROR)])


@pytest.mark.parametrize("draw", ["trajectories", "stage curves"])
def test_curves_of_a_control_have_one_entry_in_the_legend(table, draw):
    if draw == "trajectories":
        figure = compared.trajectory_figure(series_of({"t": table}), "NH2015", s.CORRECTED)
    else:
        figure = compared.stage_curves_figure(entries(table), "NH2015", s.CORRECTED)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [label for label in labels if "permuted" in label] == ["demo, permuted (3 seeds)"]


def test_trajectories_have_the_band_of_the_control(table):
    figure = compared.trajectory_figure(series_of({"t": table}), "NH2015", s.CORRECTED)
    (span,) = figure.axes[0].patches
    low, high = span.get_y(), span.get_y() + span.get_height()
    assert (low, high) == pytest.approx((MEAN - ERROR, MEAN + ERROR))


def test_findings_have_an_error_over_the_seeds_of_controls(table):
    found = findings_of(Compared(entries(table), {}, s.CORRECTED, ["all"]))
    effects = {each.what: each for each in found if isinstance(each, Finding)}
    assert effects["trained − permuted"].effect == pytest.approx(0.46 - MEAN)
    assert effects["trained − permuted"].seed_error == pytest.approx(ERROR)
    assert effects["trained − permuted"].num_pairs == 1
    assert np.isnan(effects["trained − untrained"].seed_error)
    page = next(part for part in findings_parts(found, None) if part.kind == "table")
    cells = [row[3] for row in page.rows if not hasattr(row, "text")]
    assert f"± {ERROR:.3f} seeds of controls" in {cell.second_note for cell in cells}
    assert "4 participants, n < 5" in {cell.note for cell in cells}


def test_groups_pool_controls_as_they_pool_runs():
    series = series_of({"t": with_controls("untrained")})
    groups = {group.label: group for group in seed_groups.groups_of(series, "NH2015", s.CORRECTED, ["all"])}
    # The start of the run is another untrained network of the same recipe.
    assert {name: group.num_networks for name, group in groups.items()} == {"demo": 1, "demo, untrained": 4}
    figure = group_figures.group_bars_figure(list(groups.values()), ["all"], "NH2015", s.CORRECTED)
    assert "demo, untrained (4)" in [label.get_text() for label in figure.axes[0].get_yticklabels()]


def test_one_checkpoint_in_two_folders_is_one_network(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "runs" / "demo" / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True)
    path.touch()
    (tmp_path / "link").symlink_to(tmp_path / "runs")

    def names(*tables):
        return [one.name for one in series_of({f"f{number}": table for number, table in enumerate(tables)})]

    first = voxel_table("demo", checkpoint="runs/demo/checkpoints/last.ckpt", steps=(10,))
    linked = first.assign(checkpoint="link/demo/checkpoints/last.ckpt")
    other = first.assign(benchmark="B2021", checkpoint=str(path))
    assert names(first, linked, other) == ["demo"]
    # The table of the run itself does not say where its checkpoint is, but has the same scores.
    assert names(voxel_table("demo", steps=(0, 10)), first) == ["demo"]
    changed = first.assign(value=first[t.VALUE] + 0.01)
    assert names(first, changed) == ["demo, from f0", "demo, from f1"]
    elsewhere = first.assign(benchmark="B2021", checkpoint="elsewhere/checkpoints/last.ckpt")
    assert names(first, elsewhere) == ["demo, from f0", "demo, from f1"]
    baseline = voxel_table("SpectroTemporal", checkpoint="SpectroTemporal", steps=(0,))
    assert names(baseline, baseline.assign(benchmark="B2021")) == ["SpectroTemporal"]
    found = comparisons.compare_networks(entries(first, linked), ENCODING[1], "all")
    assert found == []
