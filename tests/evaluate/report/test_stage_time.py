"""The heat map of stages and time."""

import numpy as np
import pandas as pd
import pytest

from evaluate.metrics.temporal.temporal_metric import CORRECTED, RAW
from evaluate.report.figures import write_figures
from evaluate.report.figures.series import entries_of, series_of
from evaluate.report.figures.stage_time import stage_time_figure
from evaluate.report.figures.time_course import peak_lag_figure
from evaluate.report.report import write_report


@pytest.fixture
def rows(scored_in_time):
    return scored_in_time.copy()


def test_colours_are_the_correlations_and_dots_the_best_stage(rows):
    figure = stage_time_figure(rows, CORRECTED)
    panels = figure.axes[:3]
    assert [panel.get_title() for panel in panels] == ["all (together)", "B", "A"]
    grid = panels[0].images[0].get_array()
    assert grid.shape == (3, 4)
    stages = ["relu0", "pool0", "relufc"]
    assert [label.get_text() for label in panels[0].get_yticklabels()] == stages
    chosen = rows[(rows["metric"] == "temporal_r/0.024") & (rows["region"] == "all")].set_index("stage")["value"]
    np.testing.assert_allclose(grid[:, 1], chosen[stages])
    times, best = panels[0].lines[0].get_data()
    assert set(np.round(times, 3)) <= {0.008, 0.024, 0.040, 0.056}
    for time, stage in zip(times, best, strict=True):
        assert stage == np.argmax(grid[:, round((time - 0.008) / 0.016)])


def test_a_single_stage_has_no_dots(rows):
    figure = stage_time_figure(rows[rows["stage"] == "pool0"], CORRECTED)
    assert [line.get_xdata().size for line in figure.axes[0].lines] == [0]


def test_other_metrics_have_none(rows):
    assert stage_time_figure(rows[~rows["metric"].str.contains("/")], RAW) is None


def test_it_is_in_the_report_and_among_the_figures_of_training(rows, tmp_path):
    table = pd.concat([rows.assign(step=step, kind="trained") for step in (1, 2)], ignore_index=True)
    report = write_report({"demo": table}, tmp_path)
    page = report.page.read_text()
    assert "when every stage predicts best" in page
    assert "How far the responses lag behind each stage" in page
    assert {"tiny_temporal_course", "tiny_temporal_lag"} <= {path.stem for path in report.figures}
    names = {path.name for path in write_figures(table, tmp_path / "during")}
    assert "tiny_temporal_stage_time.png" in names


def test_lags_of_every_region_are_within_the_axis(rows):
    is_lag = rows["metric"] == "temporal_peak_lag_s"
    for lag_s, region in ((0.04, "B"), (0.16, "A")):  # the last panel has the longest lags
        rows.loc[is_lag & (rows["region"] == region), "value"] = lag_s
    rows.loc[is_lag & (rows["region"] == "all"), "value"] = 0.1
    found = series_of({"demo": rows.assign(step=1, kind="trained")})
    figure = peak_lag_figure(entries_of(found, "tiny", ["temporal_peak_lag_s"]), "tiny")
    highest = max(line.get_ydata().max() for panel in figure.axes for line in panel.lines)
    assert highest == pytest.approx(160)
    assert figure.axes[0].get_ylim() == (0, pytest.approx(160, abs=16))
    assert figure.axes[0].get_ylim()[1] >= highest
