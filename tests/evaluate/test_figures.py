import numpy as np
import pytest
from matplotlib.image import imread

from evaluate import figures
from evaluate import table as t
from evaluate.published import COMPONENTS
from evaluate.scores import Origin, failed_row

STAGES = ("relu0", "maxpool0", "relu1", "relufc")


def make_rows(benchmark="NH2015comp", regions=COMPONENTS, steps=(0, 10, 40), run="demo", corrected=False):
    curve, best = (t.ENCODING_R2, t.BEST_STAGE_R2)
    if corrected:
        curve, best = (t.ENCODING_R2_CORRECTED, t.BEST_STAGE_R2_CORRECTED)
    rows = []
    for step in steps:
        for number, stage in enumerate((*STAGES, t.BEST)):
            for column, region in enumerate(("all", *regions)):
                value = 0.2 + 0.1 * number + 0.05 * column + step / 400
                metric = best if stage == t.BEST else curve
                row = (run, "", step, step // 10, benchmark, metric, stage, region, "all", value)
                rows.append(dict(zip(t.COLUMNS, row, strict=True)))
    return t.make_table(rows)


def lines_of(panel):
    return {line.get_label(): line for line in panel.get_lines()}


def test_every_picture_is_written(tmp_path):
    table = t.merge_rows(make_rows(), make_rows("simulated", ("core", "belt"), corrected=True))
    paths = figures.write_figures(table, tmp_path / "figures")
    kinds = ("training", "stages", "heatmap")
    expected = [f"{benchmark}_{kind}.png" for benchmark in ("NH2015comp", "simulated") for kind in kinds]
    assert [path.name for path in paths] == expected
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == sorted(expected)
    for path in paths:
        picture = imread(path)
        assert picture.shape[1] > 500
        assert picture.std() > 0.01  # not blank


def test_training_shows_stages_untrained_point_and_baseline():
    rows = figures.scores_of(make_rows(), "demo", "NH2015comp")
    figure = figures.training_figure(rows)
    panels = [panel for panel in figure.axes if panel.get_visible()]
    assert [panel.get_title() for panel in panels] == ["all (together)", *COMPONENTS]
    lines = lines_of(panels[COMPONENTS.index("speech") + 1])
    assert list(lines) == [*STAGES, "best stage", "SpectroTemporal\n(published)"]
    np.testing.assert_array_equal(lines["relu0"].get_xdata(), [0, 10, 40])
    np.testing.assert_allclose(lines["relu0"].get_ydata(), [0.45, 0.475, 0.55])
    np.testing.assert_allclose(lines["SpectroTemporal\n(published)"].get_ydata(), 0.66)
    brightness = [sum(lines[stage].get_color()[:3]) for stage in STAGES]
    assert brightness == sorted(brightness)
    assert "untrained" in figure.get_supxlabel()
    assert "R²" in figure.get_supylabel()
    assert len(figure.legends) == 1


def test_no_baseline_where_none_was_published():
    rows = figures.scores_of(make_rows("simulated", ("core",), corrected=True), "demo", "simulated")
    figure = figures.training_figure(rows)
    assert list(lines_of(figure.axes[0])) == [*STAGES, "best stage"]
    assert "noise-corrected" in figure.get_supylabel()


def test_stage_curves_show_untrained_thin_and_latest_thick():
    rows = figures.scores_of(make_rows(), "demo", "NH2015comp")
    axes = figures.stage_figure(rows).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == list(STAGES)
    lines = axes.get_lines()
    first, last = lines[0], lines[1]  # of region "all"
    assert first.get_linewidth() < last.get_linewidth()
    np.testing.assert_allclose(first.get_ydata(), [0.2, 0.3, 0.4, 0.5])
    np.testing.assert_allclose(last.get_ydata(), [0.3, 0.4, 0.5, 0.6])
    labels = [text.get_text() for text in axes.figure.legends[0].get_texts()]
    assert labels == ["all (together)", *COMPONENTS, "step 40", "untrained"]


def test_heat_map_has_the_numbers():
    table = make_rows(steps=(40,))
    undefined = (table[t.STAGE] == "relu0") & (table[t.REGION] == "music")
    table.loc[undefined, t.VALUE] = np.nan
    figure = figures.heat_map_figure(figures.scores_of(table, "demo", "NH2015comp"))
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert len(texts) == 5 * 7
    assert texts[:3] == [".30", ".35", ".40"]
    assert texts[6] == "–"
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [*STAGES, "best stage"]


def test_one_step_has_no_training_curve(tmp_path):
    paths = figures.write_figures(make_rows(steps=(10,)), tmp_path)
    assert [path.name for path in paths] == ["NH2015comp_stages.png", "NH2015comp_heatmap.png"]


def test_runs_have_their_own_pictures(tmp_path):
    table = t.merge_rows(make_rows(run="a/1", steps=(0,)), make_rows(run="b", steps=(0,)))
    names = [path.name for path in figures.write_figures(table, tmp_path)]
    assert names[0] == "a-1_NH2015comp_stages.png"
    assert len(set(names)) == 4


def test_of_two_checkpoints_of_one_step_the_last_is_shown():
    table = make_rows()
    again = table.assign(checkpoint="best.ckpt", value=0.9)
    rows = figures.scores_of(t.merge_rows(table, again), "demo", "NH2015comp")
    assert len(rows) == len(table)
    assert (rows[t.VALUE] == 0.9).all()


@pytest.mark.parametrize("table", [t.make_table([]), failed_row("tiny", Origin(run="r"))])
def test_nothing_to_draw(table, tmp_path):
    assert figures.write_figures(table, tmp_path) == []


def test_undefined_everywhere_is_drawn(tmp_path):
    assert len(figures.write_figures(make_rows().assign(value=float("nan")), tmp_path)) == 3


def test_rows_of_subjects_are_not_mixed_in():
    table = make_rows("simulated", ("core",), corrected=True)
    subject = table.assign(subject="s1", value=0.0)
    rows = figures.scores_of(t.merge_rows(table, subject), "demo", "simulated")
    assert len(rows) == len(table)
