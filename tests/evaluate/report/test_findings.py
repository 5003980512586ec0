"""The claims of the paper, tested on the published networks and on networks with known differences."""

import numpy as np
import pytest
from scipy import stats

from evaluate.metrics.encoding.encoding_metric import CORRECTED, RAW
from evaluate.metrics.standard_errors import sound_error
from evaluate.report.figures import selection as s
from evaluate.report.figures.findings import findings_figure
from evaluate.report.figures.series import entries_of, series_of
from evaluate.report.findings.claims import Compared, findings_of
from evaluate.report.findings.finding import Finding, Untested
from evaluate.report.findings.section import findings_parts, findings_table, main_effects
from evaluate.report.findings.training import Training, read_training, trainings_of
from evaluate.report.page import render
from evaluate.scoring import table as t
from tests.helpers.score_tables import merged, paper_table, voxel_table

TASKS = {
    "word": ("word",),
    "speaker": ("speaker",),
    "audioset": ("audioset",),
    "genre": ("genre",),
    "multitask": ("word", "speaker", "audioset"),
}


def compared(table, benchmark, trainings=None):
    kind = RAW if benchmark == "NH2015comp" else CORRECTED
    series = series_of({"t": table})
    known = {one.name: Training(TASKS[task], False) for one in series if (task := one.name.split("_")[-1]) in TASKS}
    entries = entries_of(series, benchmark, kind.metrics)
    return Compared(entries, known if trainings is None else trainings, kind, s.regions_of(t.summary_rows(table)))


def by_claim(found):
    claims = {}
    for each in found:
        claims.setdefault(each.claim, []).append(each)
    return claims


def test_the_published_components_support_the_paper():
    found = findings_of(compared(paper_table("NH2015comp"), "NH2015comp"))
    effects = {(each.what, each.region): each for each in found if isinstance(each, Finding)}
    assert effects["trained − permuted", "all"].verdict == "supported"
    assert effects["trained − permuted", "all"].num_pairs == 19
    assert effects["trained − SpectroTemporal", "all"].verdict == "supported"
    assert effects["speech tasks − other tasks", "speech"].verdict == "supported"
    assert effects["other tasks − speech tasks", "music"].verdict == "supported"
    single = [each for what, each in effects.items() if what[0].startswith("word + speaker + audioset − ")]
    assert len(single) == 4
    assert all(each.effect > 0 for each in single)
    best = {each.region: each.what for each in by_claim(found)["Each region is predicted best after a certain task"]}
    assert best["music"].startswith("audioset − ")
    assert best["speech"] == "speaker − word"
    assert "all" not in best
    untested = {each.claim for each in found if isinstance(each, Untested)}
    assert "Low-level components are predicted best by earlier stages than speech and music" in untested
    assert "Trained networks predict better than untrained ones" in untested
    assert "Networks trained in noise predict better than those trained in quiet" in untested


def test_the_published_voxels_have_later_stages_outside_of_primary_cortex():
    found = by_claim(findings_of(compared(paper_table("NH2015"), "NH2015")))
    order = found["Primary regions are predicted best by earlier stages than the others"]
    assert [each.region for each in order] == ["Anterior", "Lateral", "Posterior"]
    assert {each.verdict for each in order} == {"supported"}
    assert {each.samples for each in order} == {"participants"}


def test_effects_and_intervals_are_those_of_the_formulas():
    table = paper_table("NH2015comp", ("CochCNN9-Word", "SpectroTemporal"), permuted=False)
    found = findings_of(compared(table, "NH2015comp"))
    effects = [each for each in found if isinstance(each, Finding) and each.region == "music"]
    (effect,) = [each for each in effects if each.what.endswith("SpectroTemporal")]
    rows = table[(table[t.METRIC] == t.BEST_STAGE_R2) & (table[t.REGION] == "music")]
    rows = rows[rows[t.SUBJECT].str.startswith(t.SPLIT)].pivot(index=t.RUN, columns=t.SUBJECT, values=t.VALUE)
    differences = (rows.loc["cochcnn9_word"] - rows.loc["SpectroTemporal"]).to_numpy()
    error = float(sound_error(differences, num_train=83, num_test=82))
    half = stats.t.ppf(0.975, 9) * error
    assert effect.effect == pytest.approx(differences.mean())
    assert effect.interval == pytest.approx((differences.mean() - half, differences.mean() + half))
    assert (effect.num_agreeing, effect.num_pairs, effect.num_samples) == (1, 1, 10)


def test_noise_and_seeds():
    names = ("words_seed0", "words_seed1", "quiet_seed0", "quiet_seed1")
    levels = (0.6, 0.61, 0.4, 0.42)
    only = {"regions": ("Lateral",), "steps": (10,)}
    table = merged(*(voxel_table(name, level=level, **only) for name, level in zip(names, levels, strict=True)))
    trainings = {f"{name}": Training(("word",), name.startswith("quiet")) for name in names}
    found = by_claim(findings_of(compared(table, "NH2015", trainings)))
    (noise, _) = found["Networks trained in noise predict better than those trained in quiet"]
    assert noise.effect == pytest.approx(0.195)
    assert (noise.num_agreeing, noise.num_pairs) == (4, 4)
    (seeds,) = found["Recipes differ by more than seeds do"]
    assert seeds.effect == pytest.approx(0.195)
    # Standard deviations of .01 / sqrt(2) and .02 / sqrt(2) with one degree of freedom each.
    assert seeds.error == pytest.approx(np.sqrt((0.01**2 + 0.02**2) / 4))
    assert seeds.verdict == "supported"
    # Before training, the only controls: no effect of a claim has an interval without its samples.
    assert all(isinstance(each, Untested) for each in found["Trained networks predict better than the baseline"])


def test_an_effect_below_zero_is_contradicted_and_without_samples_it_is_open():
    assert Finding("c", "w", "all", -0.2, 0.01, 8, "participants", 0, 1).verdict == "contradicted"
    assert Finding("c", "w", "all", 0.2, float("nan"), 1, "networks", 1, 1).verdict == "open"
    assert Finding("c", "w", "all", 0.2, 0.2, 8, "participants", 1, 1).verdict == "open"


def drawn(*effects):
    figure = findings_figure(list(effects), "B")
    axes = figure.axes[0]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    return axes, [line for line in axes.lines if line.get_marker() in ("<", ">")], legend


def test_a_wide_interval_does_not_ruin_the_axis_of_the_others():
    usual = [Finding("c", f"w{number}", "all", 0.1, 0.01, 8, "participants", 1, 1) for number in range(4)]
    axes, arrows, legend = drawn(*usual)
    assert arrows == []
    assert legend == ["supported", "contradicted", "open"]
    left, right = axes.get_xlim()
    assert left < 0 < 0.12 < right < 0.2
    axes, arrows, legend = drawn(*usual, Finding("c", "wide", "all", 0.1, 2.0, 2, "participants", 1, 1))
    assert right == pytest.approx(axes.get_xlim()[1])
    assert {line.get_marker() for line in arrows} == {"<", ">"}
    assert "interval beyond the axis" in legend
    # Arrows are inside of the axis, away from the names on the left.
    assert all(axes.get_xlim()[0] < line.get_xdata()[0] < axes.get_xlim()[1] for line in arrows)


def test_effects_without_an_interval_are_explained():
    axes, _, legend = drawn(Finding("c", "w", "all", 0.0, float("nan"), 1, "participants", 0, 1))
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [line.get_markerfacecolor() for line in dots] == ["white"]
    assert legend[-1] == "open, as there is no interval"


def test_training_is_read_from_the_run_directory(tmp_path):
    run_dir = tmp_path / "words"
    run_dir.mkdir()
    tasks = "[word, {name: genre, side: noise}, {class_path: my.Objective, init_args: {weight: 1.0}}]"
    (run_dir / "config.yaml").write_text(f"data:\n  tasks: {tasks}\n  noise: null\n")
    training = Training(("word", "genre", "Objective"), is_in_quiet=True)
    assert read_training(run_dir / "config.yaml") == training
    assert not training.is_for_speech
    assert not training.is_for_sounds
    assert training.name == "word + genre + Objective, in quiet"
    series = series_of({"words": voxel_table("words")})
    assert trainings_of(series, [run_dir]) == {"words": training}
    scored = series_of({"scores": voxel_table("words", checkpoint=str(run_dir / "checkpoints" / "last.ckpt"))})
    (run_dir / "checkpoints").mkdir()
    assert trainings_of(scored, []) == {"words": training}
    for content in ("data: []", "- a", "data: {tasks: [{}]}", "data: {tasks: 3}", "a: [", "data: {tasks: []}"):
        (run_dir / "config.yaml").write_text(content)
        assert read_training(run_dir / "config.yaml") is None


def test_page_and_file_have_all_claims():
    models = ("CochCNN9-Word", "CochCNN9-AudioSet", "SpectroTemporal")
    found = findings_of(compared(paper_table("NH2015comp", models), "NH2015comp"))
    page = render("t", findings_parts(found, None))
    assert "Findings of Tuckute, Feather et al. 2023 on these networks" in page
    assert "speech tasks − other tasks" in page
    table = findings_table(found)
    assert len(table) == len(found)
    assert set(table["claim"]) == {each.claim for each in found}
    assert {"supported", "untested"} <= set(table["verdict"])
    assert findings_figure(main_effects(found), "NH2015comp") is not None
    assert list(findings_parts([Untested("c", "scores")], None)) == []
    assert findings_figure([], "NH2015comp") is None
