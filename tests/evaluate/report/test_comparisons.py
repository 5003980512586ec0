"""Names, groups of seeds, error bars and tests of the networks that a report compares."""

import numpy as np
import pytest

from evaluate.commands import report as command
from evaluate.metrics.standard_errors import sound_error, standard_error, within_participant_error
from evaluate.report import comparisons, error_texts, seed_groups
from evaluate.report.against_baseline import compare_with_baseline
from evaluate.report.figures import selection as s
from evaluate.report.figures.series import series_of
from evaluate.report.network_names import readable_name, readable_names, stage_labels
from evaluate.report.significance import bootstrap_comparison, permutation_comparison
from evaluate.report.sound_comparison import sound_comparison
from evaluate.report.tables import cells, comparison_tables, paper_tables, score_tables
from evaluate.scoring import table as t
from tests.helpers.score_tables import (
    ENCODING,
    SUBJECTS,
    component_table,
    entries,
    identified_table,
    merged,
    merged_as_they_are,
    row,
    seeds_tables,
    voxel_table,
)


def test_tables_have_the_shortest_names_that_differ(tmp_path):
    folders = [tmp_path / "a" / "run", tmp_path / "b" / "run"]
    for folder in folders:
        t.append_rows(folder / t.SCORES_FILE, component_table())
    assert list(command.read_tables(folders[:1])) == ["run"]
    assert list(command.read_tables(folders)) == ["a/run", "b/run"]
    assert list(command.read_tables([folders[0], folders[0]])) == ["run"]


def test_series_know_controls_and_baselines():
    table = merged(
        voxel_table("demo", checkpoint="runs/demo/last.ckpt", steps=(10,)),
        voxel_table("last (permuted, seed 0)", checkpoint="permuted:runs/demo/last.ckpt:0", steps=(10,)),
        voxel_table("last (permuted, seed 3)", checkpoint="permuted:runs/demo/last.ckpt:3", steps=(10,)),
        voxel_table("CochCNN9 (untrained, seed 0)", checkpoint="untrained:CochCNN9:0", steps=(0,)),
        voxel_table("SpectroTemporal", checkpoint="SpectroTemporal", steps=(0,)),
        voxel_table("", checkpoint="somewhere/published.pt", steps=(0,)),
    )
    found = {one.name: one for one in series_of({"t": table})}
    kinds = {name: one.kind for name, one in found.items()}
    assert kinds == {
        "demo": "run",
        "published": "run",
        "CochCNN9, untrained": "untrained",
        "demo, permuted (2 seeds)": "permuted",
        "SpectroTemporal": "baseline",
    }
    assert found["demo, permuted (2 seeds)"].colour == found["demo"].colour != found["published"].colour
    states = {entry.label: entry.state for entry in entries(table)}
    assert states["demo, step 10"] == "trained"
    assert states["published"] == "trained"  # step 0, but nothing says that it is untrained
    assert states["CochCNN9, untrained"] == "untrained"
    assert states["demo, permuted (2 seeds)"] == "permuted"


def control(run, folder, step, seed=0):
    path = f"permuted:runs/{folder}/checkpoints/last.ckpt:{seed}"
    return voxel_table(f"{run}last (permuted, seed {seed})", checkpoint=path, steps=(step,))


def moved(table, amount):
    return table.assign(value=table[t.VALUE] + amount)


@pytest.mark.parametrize(
    ("run", "names"),
    [
        (("mine/", "mine2/"), ["mine, permuted", "mine2, permuted"]),
        (("", ""), ["last, permuted, in mine/checkpoints", "last, permuted, in mine2/checkpoints"]),  # of older tables
        (("mine/", "mine/"), ["mine, permuted, in mine/checkpoints", "mine, permuted, in mine2/checkpoints"]),
    ],
)
def test_controls_of_two_runs_are_two_networks(run, names):
    found = series_of({"t": merged(control(run[0], "mine", 4), control(run[1], "mine2", 10))})
    assert [one.name for one in found] == names
    assert [list(one.rows[t.STEP].unique()) for one in found] == [[4], [10]]
    assert len({one.colour for one in found}) == 2


def test_a_control_has_the_colour_of_the_run_in_its_own_table():
    tables = {
        name: merged(voxel_table("mine", level=level), moved(control("mine/", "mine", 10), level))
        for name, level in {"a": 0.3, "b": 0.2}.items()
    }
    colours = {one.name: one.colour for one in series_of(tables)}
    assert (
        colours["mine, from a"]
        == colours["mine, permuted, from a"]
        != colours["mine, from b"]
        == colours["mine, permuted, from b"]
    )


def test_a_control_belongs_to_the_run_that_its_label_names():
    other = voxel_table("mine", checkpoint="elsewhere/step-10.ckpt", steps=(10,))
    trained, permuted = series_of({"t": merged(other, control("mine/", "mine", 10))})
    assert (trained.name, permuted.name, permuted.owner) == ("mine", "mine, permuted", "mine")
    assert permuted.colour == trained.colour


def test_runs_of_one_name_are_told_apart_and_all_look_different():
    same = series_of({"a": voxel_table(), "b": voxel_table(level=0.2)})
    assert [one.name for one in same] == ["demo, from a", "demo, from b"]
    many = series_of({"t": merged(*(voxel_table(f"run{number}", steps=(0,)) for number in range(20)))})
    assert len({(one.colour, one.marker) for one in many}) == 20


def test_long_names_are_cut_unless_that_makes_them_alike():
    (one,) = series_of({"t": voxel_table("x" * 50 + "end", steps=(0,))})
    assert len(one.name) <= 40
    assert one.name.endswith("end")
    names = [f"{'x' * 30}{number}{'x' * 30}" for number in range(2)]
    assert [one.name for one in series_of({name: voxel_table(name, steps=(0,)) for name in names})] == names


def test_two_untrained_networks_of_a_run_have_two_names():
    """Its own initial weights, scored during training, and new ones of a seed."""
    control = voxel_table(
        "last (untrained, seed 0)", checkpoint="untrained:runs/demo/last.ckpt:0", steps=(0,), level=0.1
    )
    control = control.assign(parent="demo", run="demo/last (untrained, seed 0)")
    labels = [entry.label for entry in entries(merged_as_they_are(voxel_table(), control))]
    assert labels == ["demo, step 10", "demo, untrained", "demo, untrained (seed 0)"]
    assert [entry.label for entry in entries(control)] == ["demo, untrained"]


def test_the_start_of_a_run_scored_again_as_a_control_is_one_network():
    control = voxel_table("last (untrained, seed 0)", checkpoint="untrained:runs/demo/last.ckpt:0", steps=(0,))
    control = control.assign(parent="demo", run="demo/last (untrained, seed 0)")
    table = merged_as_they_are(voxel_table(), control)
    assert [entry.label for entry in entries(table)] == ["demo, step 10", "demo, untrained"]
    nearly = merged_as_they_are(voxel_table(), control.assign(value=control["value"] + 1e-7))
    assert len(entries(nearly)) == 2
    # The run was not scored on the control's other benchmark, which it keeps.
    elsewhere = merged_as_they_are(table, control.assign(benchmark="B2021"))
    assert len(entries(elsewhere)) == 2
    assert [one.name for one in series_of({"t": elsewhere})] == ["demo", "demo, untrained (seed 0)"]
    assert len(entries(merged_as_they_are(voxel_table(steps=(10,)), control))) == 2


def test_one_untrained_network_scored_by_two_paths_is_one_network(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = ("runs/demo/last.ckpt", f"{tmp_path}/runs/demo/last.ckpt")
    tables = [voxel_table("last (untrained, seed 0)", checkpoint=f"untrained:{path}:0", steps=(0,)) for path in paths]
    assert [one.name for one in series_of({"t": merged_as_they_are(*tables)})] == ["last, untrained"]


def test_runs_of_one_name_in_one_table_are_told_apart_by_their_folders():
    tables = [voxel_table("word", checkpoint=f"runs/{place}/checkpoints/last.ckpt") for place in "ab"]
    watched = voxel_table("word", checkpoint="checkpoints/last.ckpt", steps=(20,))
    assert [one.name for one in series_of({"t": merged_as_they_are(*tables)})] == [
        "word, in a/checkpoints",
        "word, in b/checkpoints",
    ]
    assert [one.name for one in series_of({"t": merged_as_they_are(tables[0], watched, voxel_table("word"))})] == [
        "word"
    ]


def test_networks_are_named_without_their_folders():
    names = ("of/mine/nets.py:small", "AST:models/ast", "package.nets:large", "runs: all")
    assert [readable_name(name) for name in names] == ["nets.py:small", "AST", "package.nets:large", "runs: all"]
    tables = {name: voxel_table(name, checkpoint=name, steps=(0,)) for name in ("/a/nets.py:small", "/b/nets.py:small")}
    assert [one.name for one in series_of(tables)] == ["a/nets.py:small", "b/nets.py:small"]
    assert series_of({"t": tables["/a/nets.py:small"]})[0].name == "nets.py:small"


def test_step_0_is_shown_for_untrained_networks_alone():
    table = merged_as_they_are(
        voxel_table("demo"),
        voxel_table("SpectroTemporal", checkpoint="SpectroTemporal", steps=(0,)),
        voxel_table("nets.py:make", checkpoint="nets.py:make", steps=(0,)),
        voxel_table("demo, step 10 (permuted)", checkpoint="permuted:demo:0", steps=(10,)),
    )
    steps = {entry.label: entry.step_text for entry in entries(table)}
    assert steps["demo, untrained"] == "0"
    assert steps["SpectroTemporal"] == steps["nets.py:make"] == "–"
    assert steps["demo, step 10"] == steps["demo, permuted"] == "10"


def test_entries_are_at_the_last_step_that_was_measured():
    later = row("demo", 30, t.BEST_STAGE_RSA, t.BEST, "all", "all", 0.4)
    table = merged(voxel_table(), t.make_table([later]))
    assert [(entry.state, entry.step) for entry in entries(table)] == [("trained", 10), ("untrained", 0)]
    assert [entry.step for entry in entries(table, metrics=s.SIMILARITY.metrics)] == [30]
    assert entries(table, benchmark="elsewhere") == []


def test_summary_has_the_published_error_bars():
    first, second = voxel_table("a", steps=(10,)), voxel_table("b", steps=(10,), level=0.2)
    noise = np.random.default_rng(0).normal(0, 0.02, len(second))
    second = second.assign(value=second[t.VALUE] + noise * (second[t.SUBJECT] != "all"))
    summary = comparisons.summarise([first, second], ENCODING[1], "Primary")
    assert summary.sample_kind == "participants"
    np.testing.assert_allclose(summary.means, [0.46, 0.36])
    values = summary.samples[list(SUBJECTS)].to_numpy()
    np.testing.assert_allclose(values[0], [0.43, 0.45, 0.47, 0.49])
    np.testing.assert_allclose(summary.errors, standard_error(values))
    alone = comparisons.summarise([first], ENCODING[1], "Primary")
    np.testing.assert_allclose(alone.errors, standard_error(values[:1]))
    nothing = comparisons.summarise([first], ENCODING[1], "Elsewhere")
    assert np.isnan(nothing.means).all()
    assert np.isnan(nothing.errors).all()
    assert nothing.sample_kind == "none"


def test_networks_are_compared_by_bootstrap():
    table = merged(
        voxel_table("a", steps=(0, 10)),
        voxel_table("b", steps=(0, 40)),
        voxel_table("x", steps=(40,), level=0.1, checkpoint="permuted:b:0"),
    )
    tests = comparisons.compare_networks(entries(table), ENCODING[1], "all")
    pairs = {(test.higher, test.lower) for test in tests}
    assert pairs == {
        ("a, step 10", "a, untrained"),
        ("b, step 40", "a, step 10"),
        ("b, step 40", "b, untrained"),
        ("b, step 40", "b, permuted"),
    }
    found = next(test for test in tests if test.lower == "a, step 10")
    offsets = np.array([-0.03, -0.01, 0.01, 0.03])
    expected = bootstrap_comparison(0.76 + offsets, 0.46 + offsets)
    assert (found.method, found.result.num_first) == ("bootstrap", 4)
    assert found.result.p_value == expected.p_value
    assert found.result.difference == pytest.approx(0.3)


def test_components_are_compared_by_permutation_of_iterations():
    table = merged(component_table("a", 0.5, iterations=10), component_table("b", 0.6, iterations=10))
    both = entries(table, metrics=s.RAW.metrics, benchmark="NH2015comp")
    (test,) = comparisons.compare_networks(both, t.BEST_STAGE_R2, "speech")
    spread = 0.01 * (np.arange(10) - 4.5)
    assert (test.higher, test.method) == ("b, step 10", "permutation")
    assert test.result.p_value == permutation_comparison(0.6 + spread, 0.5 + spread).p_value
    summary = comparisons.summarise([entry.rows for entry in both], t.BEST_STAGE_R2, "speech")
    np.testing.assert_allclose(summary.errors, standard_error(np.stack([spread, spread])))
    without = entries(component_table(), metrics=s.RAW.metrics, benchmark="NH2015comp")
    assert comparisons.compare_networks(without, t.BEST_STAGE_R2, "speech") == []


def test_components_have_an_error_over_sounds_next_to_the_published_one():
    rng = np.random.default_rng(0)
    splits = rng.normal(0.5, 0.05, 10), rng.normal(0.48, 0.05, 10)
    tables = [
        component_table(name, value, iterations=10, splits=of_splits)
        for name, value, of_splits in zip("ba", (0.51, 0.5), splits, strict=True)
    ]
    both = entries(*tables, metrics=s.RAW.metrics, benchmark="NH2015comp")
    summary = comparisons.summarise([entry.rows for entry in both], t.BEST_STAGE_R2, "speech")
    spread = 0.01 * (np.arange(10) - 4.5)
    np.testing.assert_allclose(summary.errors, standard_error(np.stack([spread, spread])))  # as without splits
    np.testing.assert_allclose(summary.sound_errors, sound_error(np.stack(splits), num_train=83, num_test=82))
    np.testing.assert_array_equal(summary.drawn_errors, summary.sound_errors)
    assert summary.samples.shape == (2, 10)
    (test,) = comparisons.compare_networks(both, t.BEST_STAGE_R2, "speech")
    assert test.result.p_value == permutation_comparison(0.51 + spread, 0.5 + spread).p_value
    assert test.over_sounds == sound_comparison(*splits, num_train=83, num_test=82)
    # A table without scores of splits next to one with them.
    mixed = entries(tables[0], component_table("old", iterations=10), metrics=s.RAW.metrics, benchmark="NH2015comp")
    (test,) = comparisons.compare_networks(mixed, t.BEST_STAGE_R2, "speech")
    assert np.isnan(test.over_sounds.p_value)
    # Splits of other sizes are not compared.
    other = tables[1].assign(value=tables[1][t.VALUE].where(tables[1][t.METRIC] != t.NUM_TRAIN_SOUNDS, 100))
    unequal = entries(tables[0], other, metrics=s.RAW.metrics, benchmark="NH2015comp")
    assert comparisons.compare_networks(unequal, t.BEST_STAGE_R2, "speech")[0].over_sounds is None


def test_tables_say_what_errors_of_components_mean():
    table = component_table("a", iterations=10, splits=np.linspace(0.4, 0.6, 10))
    other = component_table("b", 0.4, iterations=10, splits=np.linspace(0.3, 0.5, 10) ** 1.1)
    both = entries(merged(table, other), metrics=s.RAW.metrics, benchmark="NH2015comp")
    shown = score_tables.best_scores(both, "NH2015comp", s.RAW)
    assert error_texts.ITERATION_ERRORS in shown.caption
    assert error_texts.SOUND_ERRORS in shown.caption
    error = standard_error(0.01 * (np.arange(10) - 4.5))
    over_sounds = sound_error(np.linspace(0.4, 0.6, 10), num_train=83, num_test=82)
    assert shown.rows[0][3] == ("0.500", f"± {error:.3f} iterations", f"± {over_sounds:.3f} sounds", "", True)
    _, tests, _ = comparison_tables.comparisons(both, s.RAW, ["all", "speech"])
    assert tests.caption.startswith(comparison_tables.ITERATION_TESTS)
    assert tests.columns[4:7] == ["± over sounds", "p over sounds", "p"]
    # Voxels have errors over participants, and none of these sentences.
    shown = score_tables.best_scores(entries(voxel_table()), "NH2015", s.CORRECTED)
    assert "iterations" not in shown.caption
    assert error_texts.SOUND_ERRORS not in shown.caption
    assert error_texts.PARTICIPANT_ERRORS in shown.caption


def voxels_with_splits(name, splits, *, level=0.3, participants=SUBJECTS):
    """Scores at step 10 with the same splits in every region, of some of the participants."""
    table = voxel_table(name, steps=(10,), level=level)
    table = table[table[t.SUBJECT].isin(["all", *participants])]
    regions = ("all", "Primary", "Lateral")
    rows = [
        row(name, 10, ENCODING[1], t.BEST, region, f"{t.SPLIT}{number}", value)
        for region in regions
        for number, value in enumerate(splits)
    ]
    rows += [row(name, 10, m, "all", "all", "all", n) for m, n in ((t.NUM_TRAIN_SOUNDS, 83), (t.NUM_TEST_SOUNDS, 82))]
    return merged(table, t.make_table(rows))


def test_voxels_have_errors_over_participants_and_over_sounds():
    rng = np.random.default_rng(0)
    splits = rng.normal(0.46, 0.05, 10), rng.normal(0.36, 0.05, 10)
    both = entries(voxels_with_splits("a", splits[0]), voxels_with_splits("b", splits[1], level=0.2))
    summary = comparisons.summarise([entry.rows for entry in both], ENCODING[1], "Lateral")
    assert (summary.sample_kind, summary.drawn, summary.num_participants) == ("participants", "participants", 4)
    assert list(summary.samples.columns) == list(SUBJECTS)
    np.testing.assert_allclose(summary.sound_errors, sound_error(np.stack(splits), num_train=83, num_test=82))
    cell = score_tables.best_scores(both, "NH2015", s.CORRECTED).rows[0][2]
    assert cell.note == f"± {summary.errors[0]:.3f} participants, n = 4 < 5"
    assert cell.second_note == f"± {summary.sound_errors[0]:.3f} sounds"
    (test,) = comparisons.compare_networks(both, ENCODING[1], "Lateral")
    assert test.over_sounds == sound_comparison(*splits, num_train=83, num_test=82)
    assert test.participant_error == 0.0  # both have the same offsets
    _, table, _ = comparison_tables.comparisons(both, s.CORRECTED, ["all", "Lateral"])
    columns = ["± over participants", "± over sounds", "p over sounds", "p over participants", "n", "test"]
    assert table.columns[4:] == columns
    assert table.rows[0][5] == f"± {abs(test.over_sounds.difference / test.over_sounds.statistic):.3f}"
    assert table.rows[0][8:] == [("4 / 4", "n = 4 < 5", "", "", True), "bootstrap"]
    assert error_texts.FEW_NOTE in table.caption


def test_a_single_participant_has_errors_over_sounds_alone():
    splits = np.linspace(0.4, 0.5, 10), np.linspace(0.2, 0.4, 10)
    one, baseline = (
        voxels_with_splits(name, values, level=level, participants=SUBJECTS[:1])
        for name, values, level in zip(("a", "SpectroTemporal"), splits, (0.3, 0.2), strict=True)
    )
    both = entries(one, identified_table(baseline.assign(checkpoint="SpectroTemporal")))
    summary = comparisons.summarise([entry.rows for entry in both], ENCODING[1], "all")
    assert summary.drawn == "sounds"
    assert np.isnan(summary.errors).all()
    np.testing.assert_array_equal(summary.drawn_errors, summary.sound_errors)
    cell = score_tables.best_scores(both, "NH2015", s.CORRECTED).rows[1][2]
    assert (cell.note, cell.second_note) == ("n = 1 < 5", f"± {summary.sound_errors[0]:.3f} sounds")
    (test,) = comparisons.compare_networks(both, ENCODING[1], "all")
    assert test.result.p_value == 0.5
    (against,) = compare_with_baseline(both, ENCODING[1], "all")
    assert against.pairs == "sounds"
    assert against.result == sound_comparison(*splits, num_train=83, num_test=82)


def test_errors_do_not_depend_on_the_other_networks():
    def errors(*tables):
        found = score_tables.best_scores(entries(*tables), "NH2015", s.CORRECTED).rows
        return {cells[0].text: [(cell.note, cell.second_note) for cell in cells[2:5]] for cells in found}

    rng = np.random.default_rng(1)
    first, second = (
        table.assign(value=table[t.VALUE] + rng.normal(0, 0.02, len(table)) * (table[t.SUBJECT] != "all"))
        for table in (voxel_table("a", steps=(10,)), voxel_table("b", steps=(10,), level=0.2))
    )
    assert errors(first, second) == errors(first) | errors(second)
    (folded,) = comparison_tables.published_errors(entries(first, second), s.CORRECTED, ["all"])
    assert "change with the networks" in folded.parts[0].caption
    values = comparisons.summarise([first, second], ENCODING[1], "all").values
    shown = [cells[2] for cells in folded.parts[0].rows]
    assert shown == [f"{error:.3f}" for error in within_participant_error(values)]


@pytest.mark.parametrize("num_participants", [2, 3, 4, 5])
def test_no_p_is_below_what_the_participants_allow(num_participants):
    """All differences have one sign: 2^-n, however large they are."""
    offsets, subjects = np.linspace(0.1, 0.2, num_participants), ("all", *map(str, range(num_participants)))

    def table(name, level, **origin):
        rows = [
            row(name, 10, ENCODING[1], t.BEST, "all", subject, value, **origin)
            for subject, value in zip(subjects, (level, *(level + offsets)), strict=True)
        ]
        return identified_table(rows)

    both = entries(table("a", 0.9), table("SpectroTemporal", 0.1, checkpoint="SpectroTemporal"))
    _, shown = comparison_tables.comparisons(both, s.CORRECTED, ["all"])
    p = 2.0**-num_participants
    assert shown.rows[0][5] == f"{p:.3f}"
    assert (shown.rows[0][6].note != "") == (num_participants < 5)
    noisy = entries(table("a", 0.9), table("SpectroTemporal", 0.1, checkpoint="SpectroTemporal"))
    noisy[0].rows.loc[noisy[0].rows[t.SUBJECT] == "0", t.VALUE] += 1e-4
    (test,) = compare_with_baseline(noisy, ENCODING[1], "all")
    assert test.result.p_value < p == test.p_value
    assert test.is_better == (num_participants >= 5)
    *_, shown = paper_tables.against_baseline(noisy, s.CORRECTED, ["all"])
    assert ("n = " in shown.rows[0][1].note) == (num_participants < 5)
    assert shown.rows[0][1].second_note == f"p {p:.3f}"


def test_regions_are_tested_over_enough_networks():
    def table(number):
        rows = voxel_table(f"run{number}", steps=(10,))
        later = (rows[t.METRIC] == t.REGION_STAGE_POSITION) & (rows[t.REGION] == "Lateral")
        return rows.assign(value=rows[t.VALUE].mask(later, 0.6 + 0.01 * number))

    regions = ("all", "Primary", "Lateral")
    six = entries(merged(*(table(number) for number in range(6))))
    found = comparisons.compare_regions(six, t.REGION_STAGE_POSITION, regions)
    assert list(found) == ["Lateral"]
    assert found["Lateral"].p_value == pytest.approx(2 / 2**6)
    assert found["Lateral"].difference == pytest.approx(0.125)
    assert comparisons.compare_regions(six[:5], t.REGION_STAGE_POSITION, regions) == {}


def test_probabilities_are_written():
    assert [cells.p_value(p) for p in (0.0123, 1e-4, float("nan"))] == ["0.012", "< 0.001", "–"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("words_seed0", "words"),
        ("words-seed12", "words"),
        ("seed_3_words", "words"),
        ("words_seed0, in a/run", "words, in a/run"),
        ("words", "words"),
        ("lr=0.1_seed_everything=1", "lr=0.1"),
        ("seed1", "all seeds"),
        ("seed_0", "all seeds"),
        ("reseed1", "reseed1"),
    ],
)
def test_names_of_groups(name, expected):
    assert seed_groups.group_name(name) == expected


def test_seeds_are_one_network_with_an_error():
    groups = seed_groups.groups_of(series_of(seeds_tables()), "NH2015", s.CORRECTED, ["all", "Lateral"])
    by_name = {group.label: group for group in groups}
    assert list(by_name) == ["words", "quiet", "words, untrained", "quiet, untrained", "SpectroTemporal"]
    words = by_name["words"]
    assert (words.state, words.num_networks) == ("trained", 2)
    np.testing.assert_allclose(words.scores[:, 0], [0.46, 0.56])
    np.testing.assert_allclose(words.means, [0.51, 0.51])
    np.testing.assert_allclose(words.errors, 0.05)  # of two values: half their distance
    assert np.isnan(by_name["quiet"].errors).all()
    np.testing.assert_allclose(by_name["words, untrained"].means[0], 0.41)
    curves = seed_groups.means_over_seeds(series_of(seeds_tables()), "NH2015", s.CORRECTED, "all")
    steps, means, errors = curves["words"]
    assert list(steps) == [0, 10]
    np.testing.assert_allclose(means, [0.41, 0.51])
    np.testing.assert_allclose(errors, 0.05)
    assert seed_groups.groups_of(series_of({"b": seeds_tables()["b"]}), "NH2015", s.CORRECTED, ["all"]) == []


def test_runs_are_grouped_by_a_pattern_of_the_users():
    tables = {"a": merged(voxel_table("words_x1"), voxel_table("words_x2"))}
    assert seed_groups.groups_of(series_of(tables), "NH2015", s.CORRECTED, ["all"]) == []
    (trained, untrained) = seed_groups.groups_of(series_of(tables), "NH2015", s.CORRECTED, ["all"], r"_x\d")
    assert (trained.label, trained.num_networks, untrained.label) == ("words", 2, "words, untrained")


def test_networks_of_one_name_keep_the_folders_that_tell_them_apart():
    names = ["/a/nets.py:make", "/b/nets.py:make", "/b/nets.py:other"]
    assert list(readable_names(names).values()) == ["a/nets.py:make", "b/nets.py:make", "nets.py:other"]


def test_labels_of_stages_are_short_and_differ():
    stages = [f"backbone.transformer.blocks.{number}.attention.output_projection" for number in range(12)]
    labels = stage_labels(stages)
    assert len(set(labels)) == 12
    assert max(map(len, labels)) <= 26
    assert stage_labels(["relu0", "fc"]) == ["relu0", "fc"]
    assert stage_labels(["a.layer_with_a_very_long_name"]) == ["layer_wit…ong_name"]
