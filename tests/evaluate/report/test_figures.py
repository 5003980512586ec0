from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.container import ErrorbarContainer
from matplotlib.image import imread

from evaluate.report import figures
from evaluate.report.figures import bars, compared, matrices, region_stage, selection, style
from evaluate.report.figures.series import entries_of, series_of
from evaluate.report.published_values import COMPONENTS, PUBLISHED_MODELS
from evaluate.scoring import table as t
from evaluate.scoring.old_tables import OLD_COLUMNS
from networks import NetworkIdentity
from tests.helpers.score_tables import NO_IDENTITY, identified_table

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
                rows.append(dict(zip(OLD_COLUMNS, row, strict=True)))
    return identified_table([row | NO_IDENTITY for row in rows])


def lines_of(panel):
    return {line.get_label(): line for line in panel.get_lines()}


def test_every_picture_is_written(tmp_path):
    components = make_rows(regions=COMPONENTS[:1])
    table = t.merge_rows(components, make_rows("simulated", ("core", "belt"), corrected=True))
    paths = figures.write_figures(table, tmp_path / "figures")
    kinds = ("training", "stages", "heatmap")
    expected = [f"{benchmark}_{kind}.png" for benchmark in ("NH2015comp", "simulated") for kind in kinds]
    assert [path.name for path in paths] == expected
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == sorted(expected)
    for path in paths:
        picture = imread(path)
        assert picture.shape[1] > 500
        assert picture.std() > 0.01  # not blank


def test_pictures_of_one_run_are_replaced_by_those_of_several(tmp_path):
    one = make_rows("tiny", ("core",))
    figures.write_figures(one, tmp_path)
    paths = figures.write_figures(t.merge_rows(one, make_rows("tiny", ("core",), steps=(5,), run="other")), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in paths)
    assert {path.name.split("_")[0] for path in paths} == {"demo", "other"}


def test_pictures_of_new_rows_alone_are_drawn_and_listed(tmp_path):
    one, other = make_rows("tiny", ("core",)), make_rows("tiny", ("core",), steps=(5,), run="other")
    figures.write_figures(one, tmp_path)
    both = t.merge_rows(one, other)
    paths = figures.write_figures(both, tmp_path, of=other)
    assert [path.name for path in paths] == ["other_tiny_stages.png", "other_tiny_heatmap.png"]
    first = tmp_path / "demo_tiny_stages.png"  # drawn again, as its name has changed
    assert first.is_file()
    before = first.stat().st_mtime_ns
    figures.write_figures(both, tmp_path, of=other)
    assert first.stat().st_mtime_ns == before


def test_units_of_no_region_of_interest_are_no_panel():
    rows = figures.scores_of(make_rows("B2021", ("Primary", "Unlabelled", "Lateral"), corrected=True), "demo", "B2021")
    panels = [panel for panel in figures.training_figure(rows).axes if panel.get_visible()]
    assert [panel.get_title() for panel in panels] == ["all (together)", "Primary", "Lateral"]


def test_training_shows_stages_untrained_point_and_baseline():
    rows = figures.scores_of(make_rows(), "demo", "NH2015comp")
    figure = figures.training_figure(rows)
    panels = [panel for panel in figure.axes if panel.get_visible()]
    assert [panel.get_title() for panel in panels] == ["all (together)", *COMPONENTS]
    lines = lines_of(panels[COMPONENTS.index("speech") + 1])
    assert list(lines) == [*STAGES, "best stage, selected\non other data", "published:\nSpectroTemporal"]
    np.testing.assert_array_equal(lines["relu0"].get_xdata(), [0, 10, 40])
    np.testing.assert_allclose(lines["relu0"].get_ydata(), [0.45, 0.475, 0.55])
    np.testing.assert_allclose(lines["published:\nSpectroTemporal"].get_ydata(), 0.66)
    brightness = [sum(lines[stage].get_color()[:3]) for stage in STAGES]
    assert brightness == sorted(brightness)
    assert "untrained" in figure.get_supxlabel()
    assert "R²" in figure.get_supylabel()
    assert len(figure.legends) == 1


def test_no_baseline_where_none_was_published():
    rows = figures.scores_of(make_rows("simulated", ("core",), corrected=True), "demo", "simulated")
    figure = figures.training_figure(rows)
    assert list(lines_of(figure.axes[0])) == [*STAGES, "best stage, selected\non other data"]
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


@pytest.mark.parametrize(
    ("kind", "step", "title"),
    [
        ("untrained", 0, "untrained"),
        ("baseline", 0, ""),
        ("external", 0, ""),
        ("trained", 0, ""),  # published weights
        ("trained", 40, "step 40"),
        ("permuted", 40, "step 40"),
    ],
)
def test_untrained_is_what_the_table_calls_so(kind, step, title):
    rows = figures.scores_of(make_rows(steps=(step,)).assign(kind=kind), "demo", "NH2015comp")
    assert figures.heat_map_figure(rows).axes[0].get_title() == title


def test_a_start_from_other_weights_is_not_untrained():
    rows = figures.scores_of(make_rows(steps=(0, 40)).assign(kind="trained"), "demo", "NH2015comp")
    labels = [text.get_text() for text in figures.stage_figure(rows).legends[0].get_texts()]
    assert labels[-2:] == ["step 40", "step 0"]
    (last, first) = entries_of(series_of({"t": rows}), "NH2015comp", [t.BEST_STAGE_R2])
    assert (last.label, first.label, first.state) == ("demo, step 40", "demo, step 0", "trained")


def test_one_step_has_no_training_curve(tmp_path):
    paths = figures.write_figures(make_rows("tiny", ("core",), steps=(10,)), tmp_path)
    assert [path.name for path in paths] == ["tiny_stages.png", "tiny_heatmap.png"]


def test_runs_have_their_own_pictures(tmp_path):
    one, other = (make_rows("tiny", ("core",), run=run, steps=(0,)) for run in ("a/1", "b"))
    table = t.merge_rows(one, other)
    names = [path.name for path in figures.write_figures(table, tmp_path)]
    assert names[0] == "a-1_tiny_stages.png"
    assert len(set(names)) == 4


def test_long_titles_stay_within_the_picture():
    run = "mine/last_of_many_checkpoints (untrained, seed 0)"
    figure = figures.heat_map_figure(make_rows("simulated", ("core",), run=run, steps=(0,)))
    style.figure_bytes(figure, "png")
    (title,) = (text for text in figure.texts if "simulated" in text.get_text())
    assert "\n" in title.get_text()
    width_in = title.get_window_extent().width / style.DPI  # as it was drawn
    assert width_in <= figure.get_figwidth()


def test_long_labels_stay_below_the_title():
    label = "noise-corrected R² beyond a network with a long name of its own on test sounds"
    figure, panels = style.new_panels(3, "title")
    style.label_axes(figure, panels, x_label="steps", y_label=label)
    style.figure_bytes(figure, "png")
    shown = figure.get_supylabel()
    assert shown.replace("\n", " ") == label
    place = next(text for text in figure.texts if text.get_text() == shown).get_window_extent()
    assert place.height / style.DPI < figure.get_figheight() - 0.4  # as it was drawn


def test_names_of_files_have_no_traces_of_brackets(tmp_path):
    stem = "mine/last (untrained, seed 0)_simulated_stages"
    assert style.figure_path(tmp_path, stem).name == "mine-last-untrained-seed-0_simulated_stages.png"


def test_of_two_checkpoints_of_one_step_the_last_is_shown():
    table = make_rows()
    again = table.assign(checkpoint="best.ckpt", value=0.9)
    rows = figures.scores_of(t.merge_rows(table, again), "demo", "NH2015comp")
    assert len(rows) == len(table)
    assert (rows[t.VALUE] == 0.9).all()


@pytest.mark.parametrize("table", [t.make_table([]), t.failed_row("tiny", NetworkIdentity(run="r"))])
def test_nothing_to_draw(table, tmp_path):
    assert figures.write_figures(table, tmp_path) == []


def test_undefined_everywhere_is_drawn(tmp_path):
    assert len(figures.write_figures(make_rows("tiny", ("core",)).assign(value=float("nan")), tmp_path)) == 3


def test_rows_of_subjects_are_not_mixed_in():
    table = make_rows("simulated", ("core",), corrected=True)
    subject = table.assign(subject="s1", value=0.0)
    rows = figures.scores_of(t.merge_rows(table, subject), "demo", "simulated")
    assert len(rows) == len(table)


def entries_and_series(*tables):
    found = series_of({str(number): table for number, table in enumerate(tables)})
    return entries_of(found, "NH2015comp", selection.RAW.metrics), found


def main_bars(panel):
    """Lengths of bars by row, without the second bars of permuted weights."""
    second = to_rgba(style.PERMUTED_COLOUR)
    return [patch.get_width() for patch in panel.patches if patch.get_facecolor() != second]


def test_bars_stand_beside_the_published_ones_in_order():
    entries, _ = entries_and_series(make_rows())
    figure = bars.bars_figure(entries, "NH2015comp", selection.RAW)
    assert [panel.get_title() for panel in figure.axes] == ["all (together)", *COMPONENTS]
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(names) == len(PUBLISHED_MODELS) + 2
    widths = main_bars(figure.axes[0])
    assert widths[names.index("demo, step 40")] == pytest.approx(0.7)
    assert widths[names.index("demo, untrained")] == pytest.approx(0.6)
    speech = main_bars(figure.axes[1 + COMPONENTS.index("speech")])
    assert speech[names.index("published: SpectroTemporal")] == pytest.approx(0.66)
    own = [label.get_text() for label in figure.axes[0].get_yticklabels() if label.get_fontweight() == "bold"]
    assert sorted(own) == ["demo, step 40", "demo, untrained"]


@pytest.mark.parametrize(
    ("value", "text"), [(0.684, ".68"), (-0.004, ".00"), (-0.021, "-.02"), (1.0, "1.00"), (0, ".00"), (10.362, "10.36")]
)
def test_scores_are_short(value, text):
    assert style.score_text(value) == text


def test_bars_below_zero_are_whole_with_their_errors_and_the_ceiling():
    rows = []
    for subject, value in (("s1", -0.06), ("s2", 0.052), ("all", -0.004)):
        for metric, stage, score in (
            (t.BEST_STAGE_RSA, t.BEST, value),
            (t.RSA, "relu0", value),
            (t.RSA_CEILING, "all", -0.021),
        ):
            row = ("demo", "", 10, 1, "tiny", metric, stage, "all", subject, score)
            rows.append(dict(zip(OLD_COLUMNS, row, strict=True)))
    found = series_of({"t": identified_table([row | NO_IDENTITY for row in rows])})
    entries = entries_of(found, "tiny", selection.SIMILARITY.metrics)
    figure = bars.bars_figure(entries, "tiny", selection.SIMILARITY)
    (panel,) = figure.axes
    lowest, highest = panel.get_xlim()
    (error_bar,) = [bar for bar in panel.containers if isinstance(bar, ErrorbarContainer)]
    assert lowest < error_bar.lines[2][0].get_segments()[0][:, 0].min() < -0.03
    assert lowest < -0.021 < highest
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["ceiling (this report)"]
    assert [text.get_text().strip() for text in panel.texts] == [".00"]


def test_bars_without_published_ones_show_all_regions():
    found = series_of({"t": make_rows("simulated", ("core", "belt"), corrected=True)})
    entries = entries_of(found, "simulated", selection.CORRECTED.metrics)
    figure = bars.bars_figure(entries, "simulated", selection.CORRECTED)
    assert [panel.get_title() for panel in figure.axes] == ["all (together)", "core", "belt"]
    assert len(figure.axes[0].patches) == 2
    assert bars.bars_figure([], "simulated", selection.CORRECTED) is None


def test_trajectories_of_runs_with_baseline_and_permuted_network():
    permuted = make_rows(steps=(40,), run="last (permuted, seed 0)").assign(checkpoint="permuted:demo:0", value=0.1)
    permuted = identified_table(permuted)
    _, series = entries_and_series(make_rows(), make_rows(run="other", steps=(0, 20)), permuted)
    figure = compared.trajectory_figure(series, "NH2015comp", selection.RAW)
    lines = lines_of(figure.axes[1 + COMPONENTS.index("speech")])
    np.testing.assert_array_equal(lines["demo"].get_xdata(), [0, 10, 40])
    np.testing.assert_allclose(lines["demo"].get_ydata(), [0.85, 0.875, 0.95])
    np.testing.assert_allclose(lines["demo, permuted"].get_ydata(), 0.1)
    np.testing.assert_allclose(lines["published:\nSpectroTemporal"].get_ydata(), 0.66)
    assert lines["demo"].get_color() == lines["demo, permuted"].get_color() != lines["other"].get_color()
    assert lines["demo, permuted"].get_linestyle() == ":"
    assert "steps" in figure.get_supxlabel()
    _, single = entries_and_series(make_rows(steps=(5,)))
    assert compared.trajectory_figure(single, "NH2015comp", selection.RAW) is None


def test_stage_curves_name_stages_unless_they_differ():
    entries, _ = entries_and_series(make_rows())
    figure = compared.stage_curves_figure(entries, "NH2015comp", selection.RAW)
    lines = lines_of(figure.axes[0])
    np.testing.assert_allclose(lines["demo, step 40"].get_ydata(), [0.3, 0.4, 0.5, 0.6])
    np.testing.assert_array_equal(lines["demo, step 40"].get_xdata(), range(4))
    assert lines["demo, untrained"].get_linestyle() == "--"
    assert [label.get_text() for label in figure.axes[-1].get_xticklabels()] == list(STAGES)
    fewer = make_rows(run="fewer", steps=(40,))
    baseline = make_rows(run="SpectroTemporal", steps=(0,))
    fewer, baseline = fewer[fewer[t.STAGE] != "relu1"], baseline[baseline[t.STAGE].isin(["relu0", t.BEST])]
    entries, _ = entries_and_series(make_rows(), fewer, baseline)
    figure = compared.stage_curves_figure(entries, "NH2015comp", selection.RAW)
    lines = lines_of(figure.axes[0])
    np.testing.assert_allclose(lines["fewer, step 40"].get_xdata(), [0, 0.5, 1])
    np.testing.assert_allclose(lines["SpectroTemporal"].get_ydata(), 0.2)
    assert "relative position" in figure.get_supxlabel()


def test_region_stage_figure_shows_positions():
    positions = make_rows(steps=(40,))
    positions = positions[positions[t.STAGE] == t.BEST].assign(metric=t.REGION_STAGE_POSITION, value=0.25)
    entries, _ = entries_and_series(t.merge_rows(make_rows(steps=(40,)), positions))
    figure = region_stage.region_stage_figure(entries, "NH2015comp", t.REGION_STAGE_POSITION)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == list(COMPONENTS)
    assert {container.lines[0].get_ydata()[0] for container in axes.containers} == {0.25}
    assert [label.get_text() for label in axes.child_axes[0].get_yticklabels()] == list(STAGES)
    without, _ = entries_and_series(make_rows())
    assert region_stage.region_stage_figure(without, "NH2015comp", t.REGION_STAGE_POSITION) is None


def test_matrices_are_sorted_by_category():
    values = np.random.default_rng(0).standard_normal((6, 40))
    matrix = matrices.dissimilarity(values)
    z_scored = (values - values.mean(axis=0)) / values.std(axis=0)
    np.testing.assert_allclose(matrix, 1 - np.corrcoef(z_scored), atol=1e-12)
    repeated = np.repeat(values[:, :, None], 3, axis=2)
    repeated[0, 0, 1] = np.nan
    np.testing.assert_allclose(matrices.dissimilarity(repeated), matrix, atol=1e-12)
    figure = matrices.matrices_figure({"net": matrix}, list("abcabc"), "title")
    panel = figure.axes[0]
    order = [0, 3, 1, 4, 2, 5]
    np.testing.assert_allclose(panel.images[0].get_array(), matrix[np.ix_(order, order)])
    assert [label.get_text() for label in panel.get_yticklabels()] == ["a", "b", "c"]
    np.testing.assert_allclose(panel.get_yticks(), [0.5, 2.5, 4.5])
    matrices.matrices_figure({"net": matrix}, None, "title")


def test_names_of_small_categories_do_not_overlap():
    figure = matrices.matrices_figure({"net": np.ones((100, 100))}, ["a"] * 97 + ["b", "c", "d"], "title")
    places = figure.axes[0].get_yticks()
    assert min(np.diff(places)) >= matrices.LABEL_HEIGHT * 100 - 1e-9
    assert places[-1] <= 99.5


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (1500, "1500"), (12000, "12k"), (2_500_000, "2.5M")])
def test_steps_are_short(number, text):
    assert style.short_number(number) == text


def test_steps_on_an_axis_have_one_unit():
    figure, (panel,) = style.new_panels(1, "title")
    panel.plot([0, 21_000], [0, 1])
    style.set_step_axis(panel)
    texts = [style_of(step, None) for style_of in [panel.xaxis.get_major_formatter()] for step in (0, 6000, 12_000)]
    assert texts == ["0", "6k", "12k"]
    panel.set_xlim(0, 5000)
    assert panel.xaxis.get_major_formatter()(1500, None) == "1500"
    assert figure.get_figwidth() > 0


def boxes_of_labels(figure):
    """Boxes of the labels below each panel, as they are drawn."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    for panel in figure.axes:
        texts = [text for text in panel.get_xticklabels() if text.get_text() and text.get_visible()]
        yield [text.get_window_extent(renderer) for text in texts]


@pytest.mark.parametrize("name", ["relu{}", "feature_extractor.conv_layers.{}.activation"])
@pytest.mark.parametrize(("num_stages", "num_regions"), [(4, 1), (24, 1), (24, 3), (60, 6)])
def test_names_of_stages_do_not_collide(name, num_stages, num_regions):
    stages = [name.format(number) for number in range(num_stages)]
    rows = [
        dict(zip(OLD_COLUMNS, ("demo", "", 4, 0, "B", t.ENCODING_R2, stage, f"r{r}", "all", 0.5), strict=True))
        for stage in stages
        for r in range(num_regions)
    ]
    table = identified_table([row | NO_IDENTITY for row in rows])
    shown = entries_of(series_of({"t": table}), "B", selection.RAW.metrics)
    figure = compared.stage_curves_figure(shown, "B", selection.RAW)
    panels = [panel for panel in figure.axes if panel.get_visible()]
    labels = [text.get_text() for text in panels[-1].get_xticklabels()]
    assert str(num_stages - 1) in labels[-1]
    for boxes in boxes_of_labels(figure):
        if "conv" in name:  # upright
            assert all(left.x1 <= right.x0 + 1 for left, right in pairwise(boxes))
        else:  # slanted: boxes overlap, lines of text at 45 degrees do not
            assert all(right.x1 - left.x1 >= 0.9 * style.TICK_SIZE * 100 / 72 for left, right in pairwise(boxes))
    sizes = [panel.get_window_extent() for panel in panels]
    assert min(size.width for size in sizes) > 110
    assert min(size.height for size in sizes) > 100


def test_the_number_of_a_bar_is_next_to_it_and_not_on_the_published_mark():
    def place(published):
        return bars._text_place(0.4, published, per_inch=0.2)

    assert place(np.nan) == 0.4
    assert place(0.3) == place(0.6) == 0.4  # far from the number
    assert place(0.41) == pytest.approx(0.42)
    assert place(0.44) == pytest.approx(0.45)


def test_no_bar_is_drawn_for_an_error_of_zero():
    np.testing.assert_array_equal(style.bar_lengths([0.1, 0.0, np.nan]), [0.1, np.nan, np.nan])
    table = make_rows()
    every = [table]
    for subject in ("s1", "s2"):
        every.append(table[table[t.STAGE] == t.BEST].assign(subject=subject))
    shown, _ = entries_and_series(t.merge_rows(table, t.make_table(pd.concat(every, ignore_index=True))))
    figure = bars.bars_figure(shown, "NH2015comp", selection.RAW, published=False)
    segments = [part for panel in figure.axes for found in panel.collections for part in found.get_segments()]
    assert all(np.isnan(part).any() for part in segments if len(part) == 2 and part[0][1] == part[1][1])
    caps = [line for panel in figure.axes for line in panel.lines if line.get_marker() == "|"]
    assert all(np.isnan(np.asarray(line.get_xdata(), dtype=float)).all() for line in caps)


def test_files_are_the_same_each_time():
    rows = figures.scores_of(make_rows("simulated", ("core",), steps=(40,)), "demo", "simulated")
    for kind in ("png", "svg"):
        contents = [style.figure_bytes(figures.heat_map_figure(rows), kind) for _ in range(2)]
        assert contents[0] == contents[1]


def test_figures_leave_settings_and_pyplot_alone():
    before = dict(mpl.rcParams)
    rows = figures.scores_of(make_rows(steps=(40,)), "demo", "NH2015comp")
    style.figure_bytes(figures.stage_figure(rows), "svg")
    assert dict(mpl.rcParams) == before
