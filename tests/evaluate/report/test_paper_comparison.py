"""Many networks at once, as in the paper: groups, published values, tests against the baseline, figures."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from scipy import stats

from evaluate.report import comparisons, network_groups
from evaluate.report.against_baseline import compare_with_baseline
from evaluate.report.figures import bars, compared, region_stage, style
from evaluate.report.figures import selection as s
from evaluate.report.figures.series import MANY_NETWORKS, entries_of, series_of
from evaluate.report.page import RowTitle, ValueTable, render
from evaluate.report.published_values import COMPONENTS, PUBLISHED_MODELS, published_model
from evaluate.report.report import write_report
from evaluate.report.significance import holm, paired_comparison
from evaluate.report.sound_comparison import sound_comparison
from evaluate.report.tables import paper_tables
from evaluate.scoring import table as t
from tests.helpers.score_tables import component_table, merged, paper_table, voxel_table

FEW = ("CochCNN9-Word", "AST", "SpectroTemporal")


def entries_in(table, benchmark):
    return entries_of(series_of({"t": table}), benchmark, (t.BEST_STAGE_R2, t.BEST_STAGE_R2_CORRECTED))


@pytest.fixture(scope="module")
def components():
    return entries_in(paper_table("NH2015comp"), "NH2015comp")


@pytest.fixture(scope="module")
def voxels():
    return entries_in(paper_table("NH2015"), "NH2015")


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("cochcnn9_word", "CochCNN9-Word"),
        ("CochResNet50-MultiTask", "CochResNet50-MultiTask"),
        ("VGGish:vggish-10086976.pth", "VGGish"),
        ("Speech2Text:folder", "S2T"),
        ("VQVAE", "VQ-VAE (ZeroSpeech)"),
        ("words", None),
        ("", None),
    ],
)
def test_published_models_are_found_by_name(name, model):
    assert published_model(name) == model


def test_a_network_stands_for_a_published_model_of_its_own_kind():
    table = merged(
        voxel_table("cochcnn9_word_seed1", checkpoint="runs/last.ckpt"),
        voxel_table("ast", steps=(10,)),  # a run of that name is not the network of others
        voxel_table("AST:weights", checkpoint="AST:weights", steps=(0,)),
        voxel_table("last (permuted, seed 0)", checkpoint="permuted:AST:weights:0", steps=(0,)),
    )
    found = {entry.label: network_groups.published_as(entry) for entry in entries_in(table, "NH2015")}
    assert found == {
        "cochcnn9_word_seed1, step 10": "CochCNN9-Word",
        "cochcnn9_word_seed1, untrained": None,
        "ast, step 10": None,
        "AST": "AST",
        "AST, permuted": None,
    }


def test_holm_is_the_textbook_procedure():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, np.nan, 0.03])), [0.03, 0.06, np.nan, 0.06])
    np.testing.assert_allclose(holm(np.array([0.7, 0.8])), [1.0, 1.0])
    assert holm(np.array([])).shape == (0,)


def test_paired_comparison_equals_scipy():
    first, second = np.random.default_rng(0).normal([[0.5], [0.0]], size=(2, 8))
    expected = stats.ttest_rel(first, second, alternative="greater")
    found = paired_comparison(first, second)
    assert (found.statistic, found.p_value) == pytest.approx((expected.statistic, expected.pvalue))
    assert found.difference == pytest.approx((first - second).mean())
    with_missing = paired_comparison(np.append(first, np.nan), np.append(second, 1.0))
    assert (with_missing.p_value, with_missing.num_undefined) == (found.p_value, 1)
    assert np.isnan(paired_comparison(first[:1], second[:1]).p_value)
    assert np.isnan(paired_comparison(first, first).p_value)


def test_equal_networks_are_rarely_better_than_the_baseline():
    """In at most 5 % of experiments, any of 19 networks without a difference is found to be better."""
    rng = np.random.default_rng(1)
    is_any = []
    for _ in range(100):
        baseline, *networks = rng.standard_normal((20, 8)) + rng.standard_normal(8)
        p_values = np.array([paired_comparison(network, baseline).p_value for network in networks])
        is_any.append((holm(p_values) < 0.05).any())
    assert np.mean(is_any) <= 0.08


def test_components_are_compared_over_the_same_splits_of_sounds(components):
    tests = {test.entry.series.name: test for test in compare_with_baseline(components, t.BEST_STAGE_R2, "music")}
    assert len(tests) == 19
    summary = comparisons.summarise([entry.rows for entry in components], t.BEST_STAGE_R2, "music")
    place = {entry.label: number for number, entry in enumerate(components)}
    own, baseline = (summary.splits.scores[place[name]] for name in ("VGGish", "SpectroTemporal"))
    expected = sound_comparison(own, baseline, num_train=83, num_test=82)
    assert tests["VGGish"].result == expected
    assert 0 < expected.p_value < tests["VGGish"].p_value <= 19 * expected.p_value
    assert tests["VGGish"].error == pytest.approx(expected.difference / expected.statistic)
    assert tests["VGGish"].is_better
    assert not tests["MetricGAN"].is_better


def test_voxels_are_compared_over_participants(voxels):
    tests = {test.entry.series.name: test for test in compare_with_baseline(voxels, t.BEST_STAGE_R2_CORRECTED, "all")}
    assert [name for name, test in tests.items() if not test.is_better] == [
        "DeepSpeech2",
        "VQVAE",
        "DCASE2020",
        "MetricGAN",
    ]
    assert tests["AST"].result.num_first == 8


def test_nothing_is_compared_without_baseline_or_samples(components):
    trained = [entry for entry in components if entry.group != "baseline"]
    assert compare_with_baseline(trained, t.BEST_STAGE_R2, "all") == []
    assert list(paper_tables.against_baseline(trained, s.RAW, ["all"])) == []
    table = merged(component_table(), component_table("SpectroTemporal", 0.4))
    assert compare_with_baseline(entries_in(table, "NH2015comp"), t.BEST_STAGE_R2, "all") == []


def test_tables_are_in_groups(components):
    heading, words, table = paper_tables.against_baseline(components, s.RAW, ["all", *COMPONENTS])
    assert heading.text == "R²: better than SpectroTemporal?"
    assert words.text.startswith("16 of 19 networks are better than SpectroTemporal: cochresnet50_")
    assert words.text.endswith("Not shown to be better: VQVAE, DCASE2020, MetricGAN.")
    titles = [row.text for row in table.rows if isinstance(row, RowTitle)]
    assert titles == ["In-house networks", "External networks"]
    assert len(table.rows) == 19 + 2
    assert "(19; Holm 1979)" in table.caption
    assert "overlap" in table.caption
    assert network_groups.in_groups([("control", ["b"]), ("in-house", ["a"])]) == [["a"], ["b"]]  # one group: no titles


def test_published_values_are_beside_the_scores(components):
    _, table = paper_tables.published(components, "NH2015comp", s.RAW)
    rows = {row[0]: row[1:] for row in table.rows if not isinstance(row, RowTitle)}
    assert set(rows) == set(PUBLISHED_MODELS)
    assert rows["S2T"][0].text == "Speech2Text"
    speech = rows["S2T"][2 + COMPONENTS.index("speech")]
    assert speech.note == "(0.828)"
    assert abs(float(speech.text) - 0.828) < 0.03
    assert rows["CochCNN9-Word"][-1].note == "(0.513)"  # permuted weights
    own = [entry for entry in components if entry.series.name == "SpectroTemporal"]
    (folded,) = paper_tables.published(own, "NH2015comp", s.RAW)
    assert "published values of 20 models" in folded.title
    assert list(paper_tables.published(components, "mine", s.RAW)) == []


def by_row(panel, labels=None):
    """Main bar and bar of permuted weights of each row, by label."""
    labels = labels or [label.get_text() for label in panel.get_yticklabels()]
    found = {label: {} for label in labels}
    for bar in panel.patches:
        place = bar.get_y() + bar.get_height() / 2
        kind = "permuted" if to_hex(bar.get_facecolor()).upper() == style.PERMUTED_COLOUR else "main"
        found[labels[round(place)]][kind] = bar
    return found


def test_bars_of_20_models_have_permuted_ones_and_published_marks(components):
    figure = bars.bars_figure(components, "NH2015comp", s.RAW)
    panel = figure.axes[1 + COMPONENTS.index("speech")]
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    rows = by_row(panel, labels)
    assert len(rows) == 20
    assert {name for name, found in rows.items() if "permuted" not in found} == {"SpectroTemporal"}
    colours = {name: to_hex(found["main"].get_facecolor()).upper() for name, found in rows.items()}
    assert colours["AST"] == colours["MetricGAN"] == style.GROUP_COLOURS["external"]
    assert colours["cochcnn9_word, step 100k"] == style.GROUP_COLOURS["in-house"]
    assert colours["SpectroTemporal"] == style.GROUP_COLOURS["baseline"]
    marks = sorted(line.get_xdata()[0] for line in panel.lines if line.get_marker() == "D")
    np.testing.assert_allclose(marks, sorted(model.components[4] for model in PUBLISHED_MODELS.values()))
    texts = {text.get_text().strip() for text in panel.texts}
    assert any(text.endswith("*") for text in texts)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == [
        "in-house networks",
        "external networks",
        "permuted weights",
        "published value of the network",
        "* better than SpectroTemporal (p < 0.05, corrected)",
    ]


def test_models_that_are_not_scored_have_pale_bars():
    figure = bars.bars_figure(entries_in(paper_table("NH2015", FEW), "NH2015"), "NH2015", s.CORRECTED)
    rows = by_row(figure.axes[0])
    assert len(rows) == 20
    vggish = rows["published: VGGish"]
    assert to_hex(vggish["main"].get_facecolor()).upper() == style.PALE_COLOURS["external"]
    assert vggish["permuted"].get_width() == 0.165
    numbers = {text.get_text().strip(): text.get_fontsize() for text in figure.axes[0].texts}
    assert numbers[style.score_text(0.165)] < style.SMALL_SIZE  # of the bar of permuted weights
    own = {label.get_text(): label.get_fontstyle() for label in figure.axes[0].get_yticklabels()}
    assert {style_of for name, style_of in own.items() if name.startswith("published: ")} == {"italic"}
    assert {style_of for name, style_of in own.items() if not name.startswith("published: ")} == {"normal"}


def test_two_seeds_of_permuted_weights_have_one_bar():
    table = paper_table("NH2015", FEW)
    control = table[table[t.KIND] == "permuted"]
    other = control.assign(
        run=control[t.RUN].str.replace("seed 0", "seed 3"),
        checkpoint=control[t.CHECKPOINT].str.replace(":0", ":3"),
        seed="3",
    )
    figure = bars.bars_figure(entries_in(t.merge_rows(table, other), "NH2015"), "NH2015", s.CORRECTED, published=False)
    rows = by_row(figure.axes[0])
    assert {name for name in rows if "permuted" in name} == set()
    assert rows["AST"]["permuted"].get_width() == pytest.approx(
        control[
            (control[t.PARENT] == "AST:weights.pt")
            & (control[t.METRIC] == t.BEST_STAGE_R2_CORRECTED)
            & (control[t.REGION] == "all")
            & (control[t.SUBJECT] == "all")
        ][t.VALUE].item()
    )


def test_permuted_untrained_networks_are_in_the_row_of_the_untrained_ones():
    table = paper_table("NH2015", ("AST",), permuted=False)
    untrained = table.assign(
        run="AST (untrained, seed 0)", checkpoint="untrained:AST:0", kind="untrained", parent="AST", seed="0"
    )
    permuted = table.assign(
        run="AST (untrained, seed 0) (permuted, seed 0)",
        checkpoint="permuted:untrained:AST:0:0",
        kind="permuted",
        parent="AST (untrained, seed 0)",
        seed="0",
    )
    found = entries_in(t.merge_rows(untrained, permuted), "NH2015")
    assert [(entry.group, entry.series.is_external) for entry in found] == [("control", True)] * 2
    rows = by_row(bars.bars_figure(found, "NH2015", s.CORRECTED, published=False).axes[0])
    assert {label: set(kinds) for label, kinds in rows.items()} == {"AST, untrained": {"main", "permuted"}}


def test_an_untrained_network_does_not_lengthen_the_name_of_the_trained_one():
    table = paper_table("NH2015", ("AST",))
    untrained = paper_table("NH2015", ("AST",), permuted=False).assign(
        run="AST (untrained, seed 0)", checkpoint="untrained:AST:0", kind="untrained", parent="AST", seed="0"
    )
    labels = [entry.label for entry in entries_in(t.merge_rows(table, untrained), "NH2015")]
    assert labels == ["AST", "AST, untrained", "AST, permuted"]


def test_networks_of_both_kinds_have_shades_of_two_colours():
    series = series_of({"t": paper_table("NH2015", FEW)})
    colours = {one.name: one.colour for one in series}
    assert (
        colours["cochcnn9_word"].upper()
        == style.GROUP_COLOURS["in-house"]
        == colours["cochcnn9_word, permuted"].upper()
    )
    assert colours["AST"].upper() == style.GROUP_COLOURS["external"]
    shades = style.shades("external", 9)
    assert len(set(shades)) == 9
    (one,) = series_of({"t": paper_table("NH2015", ("AST",), permuted=False)})
    assert one.colour in style.RUN_COLOURS  # a single kind keeps one colour for each network


def test_regions_of_many_networks_are_drawn_against_primary_cortex(voxels):
    entries = [entry for entry in voxels if entry.state != "baseline"]
    figure = region_stage.region_stage_figure(voxels, "NH2015", t.REGION_STAGE_POSITION)
    titles = [panel.get_title() for panel in figure.axes]
    regions = ("Anterior", "Lateral", "Posterior")
    assert titles == [f"{region}: {what}" for what in ("networks", "permuted weights") for region in regions]
    assert [len(panel.containers) for panel in figure.axes] == [19] * 6
    first = figure.axes[1].containers[0].lines[0]
    means = [
        comparisons.summarise([entries[0].rows], t.REGION_STAGE_POSITION, region).means[0]
        for region in ("Primary", "Lateral")
    ]
    np.testing.assert_allclose([first.get_xdata()[0], first.get_ydata()[0]], means)
    assert len(figure.legends[0].get_texts()) == 19 + 2  # two published models
    few = region_stage.region_stage_figure(voxels[:3], "NH2015", t.REGION_STAGE_POSITION)
    assert len(few.axes) == 1


def test_lines_of_many_networks_leave_out_controls(voxels):
    figure = compared.stage_curves_figure(voxels, "NH2015", s.CORRECTED)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(labels) == 20
    assert not any("permuted" in label for label in labels)


def test_pairs_of_many_networks_are_not_tested(voxels):
    tests = comparisons.compare_networks(voxels, t.BEST_STAGE_R2_CORRECTED, "all")
    assert len(tests) == 19
    assert all("permuted" in test.lower for test in tests)
    few = [entry for entry in voxels if entry.group != "control"][: MANY_NETWORKS - 1]
    assert len(comparisons.compare_networks(few, t.BEST_STAGE_R2_CORRECTED, "all")) == 8 * 7 / 2


def test_titles_of_groups_span_the_table():
    table = ValueTable(["network", "all"], [RowTitle("<External>"), ["AST", "0.5"]])
    page = render("title", [table])
    assert '<tr class="title"><th colspan="2">&lt;External&gt;</th></tr>' in page
    assert "AST" in page


@pytest.mark.slow
def test_page_compares_with_the_paper(tmp_path):
    page = write_report({"t": paper_table("NH2015", FEW)}, tmp_path).page.read_text(encoding="utf-8")
    for part in (
        "2 of 2 networks are better than SpectroTemporal: cochcnn9_word, AST.",
        "3 of 20 published models are scored here",
        "External networks</th></tr>",
        "paired over participants",
        "Findings of Tuckute, Feather et al. 2023 on these networks",
        "NH2015_findings.csv",
    ):
        assert part in page, part
    assert (tmp_path / "figures" / "NH2015_findings.csv").is_file()
