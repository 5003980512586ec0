import argparse
import base64
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.image import imread

from evaluate import comparisons, report_features, report_tables, seed_groups
from evaluate import table as t
from evaluate.cache import ActivationCache, activation_key
from evaluate.commands import report as command
from evaluate.commands.errors import CommandError
from evaluate.figures import selection as s
from evaluate.figures.series import entries_of, series_of
from evaluate.fingerprint import network_fingerprint
from evaluate.published import COMPONENTS
from evaluate.report import write_report
from evaluate.scores import Origin, failed_row
from evaluate.statistics import bootstrap_comparison, participant_error, permutation_comparison, standard_error

STAGES = ("relu0", "pool0", "relufc")
SUBJECTS = ("s1", "s2", "s3", "s4")
ENCODING = (t.ENCODING_R2_CORRECTED, t.BEST_STAGE_R2_CORRECTED)


def row(run, step, metric, stage, region, subject, value, *, benchmark="NH2015", checkpoint=""):
    return dict(
        zip(t.COLUMNS, (run, checkpoint, step, 0, benchmark, metric, stage, region, subject, value), strict=True)
    )


def voxel_table(run="demo", steps=(0, 10), level=0.3, regions=("Primary", "Lateral"), **origin):
    """Scores with known means: participants lie symmetrically about level + step / 100."""
    rows = []
    offsets = np.array([-0.03, -0.01, 0.01, 0.03])
    for step in steps:
        for region in ("all", *regions):
            for number, stage in enumerate((*STAGES, t.BEST)):
                metric = ENCODING[1] if stage == t.BEST else ENCODING[0]
                values = level + step / 100 + 0.02 * number + offsets
                for subject, value in zip(("all", *SUBJECTS), (values.mean(), *values), strict=True):
                    rows.append(row(run, step, metric, stage, region, subject, value, **origin))
            for subject in ("all", *SUBJECTS):
                rows.append(row(run, step, t.REGION_STAGE_POSITION, t.BEST, region, subject, 0.5, **origin))
        for stage in STAGES:
            rows.append(row(run, step, t.NUM_UNDEFINED, stage, "all", "all", 2, **origin))
            rows.append(row(run, step, t.NUM_TIES, stage, "all", "all", 5, **origin))
    return t.make_table(rows)


def component_table(run="demo", value=0.5, iterations=0):
    rows = []
    for region in ("all", *COMPONENTS):
        rows.append(row(run, 10, t.ENCODING_R2, "relu0", region, "all", value, benchmark="NH2015comp"))
        rows.append(row(run, 10, t.BEST_STAGE_R2, t.BEST, region, "all", value, benchmark="NH2015comp"))
        for number in range(iterations):
            name, one = f"{t.ITERATION}{number}", value + 0.01 * (number - (iterations - 1) / 2)
            rows.append(row(run, 10, t.BEST_STAGE_R2, t.BEST, region, name, one, benchmark="NH2015comp"))
    return t.make_table(rows)


def merged(*tables):
    whole = tables[0]
    for table in tables[1:]:
        whole = t.merge_rows(whole, table)
    return whole


def entries(*tables, metrics=ENCODING, benchmark="NH2015"):
    return entries_of(series_of({str(number): table for number, table in enumerate(tables)}), benchmark, metrics)


class Reader(HTMLParser):
    """Collects tags, text and pictures, and holds that every element is closed."""

    VOID = ("meta", "img")

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append(dict(attrs))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read_page(path):
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    assert reader.open == []
    return reader, " ".join(" ".join(reader.text).split())


def run_command(*arguments):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The page on two runs, a permuted control and the baseline."""
    folder = tmp_path_factory.mktemp("report")
    only = {"regions": ("Lateral",)}
    first = merged(voxel_table(**only), failed_row("B2021", Origin(run="demo", step=10)))
    second = merged(
        voxel_table("<b>other</b>", steps=(20,), checkpoint="last.ckpt", **only),
        voxel_table("last (permuted, seed 0)", steps=(20,), level=0.1, checkpoint="permuted:last.ckpt:0", **only),
        voxel_table("SpectroTemporal", steps=(0,), checkpoint="SpectroTemporal", **only),
    )
    for name, table in (("one", first), ("two", second)):
        t.append_rows(folder / name / t.SCORES_FILE, table)
    assert run_command(folder / "one", folder / "two", "--out", folder / "out") == 0
    return folder / "out"


def test_page_needs_nothing_beside_itself(written):
    reader, _ = read_page(written / "report.html")
    assert not {"script", "link", "iframe", "object"} & set(reader.tags)
    for attributes in reader.attributes:
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("#", "data:image/svg+xml;base64,"))
    assert "url(" not in (written / "report.html").read_text().split("</style>")[0]
    targets = {attributes["href"][1:] for attributes in reader.attributes if "href" in attributes}
    assert targets <= {attributes.get("id") for attributes in reader.attributes}


def test_page_has_every_figure_and_its_files(written):
    reader, _ = read_page(written / "report.html")
    pictures = [attributes for attributes in reader.attributes if "alt" in attributes]
    stems = {path.stem for path in (written / "figures").iterdir()}
    assert {path.suffix for path in (written / "figures").iterdir()} == {".png", ".pdf"}
    assert len(pictures) == len(stems) == 7
    assert {f"NH2015_{kind}" for kind in ("bars", "trajectories", "stage_curves", "region_stage")} < stems
    for picture in pictures:
        svg = base64.b64decode(picture["src"].split(",")[1]).decode()
        assert "<svg" in svg
        assert "http" not in re.sub(
            r'xmlns(:\w+)?="[^"]*"|<!DOCTYPE[^>]*>|<metadata>.*?</metadata>', "", svg, flags=re.S
        )
        assert picture["alt"]
    for path in (written / "figures").glob("*.png"):
        assert imread(path).std() > 0.01  # not blank


def test_page_tells_what_is_in_the_tables(written):
    _, text = read_page(written / "report.html")
    for part in (
        "2 tables (one, two)",
        "4 networks, 2 benchmarks",
        "Scoring demo on B2021 at step 10 failed",
        "demo, step 10",
        "demo, untrained",
        "<b>other</b>, permuted",
        "SpectroTemporal (published) 0.527",
        "0.560 ± 0.0",  # best stage at step 20
        "bootstrap",
        "No matrices of sounds",
        "The tables hold no scores of this benchmark",  # B2021
    ):
        assert part in text, part
    counts = re.search(r"demo, step 10 10 (?:\d\.\d{3} ± \d\.\d{3} ){2}(\d+) (\d+)", text)
    assert counts is not None
    assert counts.groups() == ("6", "15")  # summed over the three stages


@pytest.mark.slow
def test_same_tables_give_the_same_page(tmp_path):
    tables = {"one": voxel_table(steps=(10,), regions=(), benchmark="tiny")}
    pages = [write_report(tables, tmp_path / name).page.read_bytes() for name in "ab"]
    assert pages[0] == pages[1]


def test_one_run_is_reported_in_its_folder(tmp_path, capsys):
    t.append_rows(tmp_path / t.SCORES_FILE, failed_row("tiny", Origin(run="r", step=3)))
    assert run_command(tmp_path) == 0
    assert (tmp_path / "report.html").is_file()
    shown = capsys.readouterr().out
    assert "scoring tiny at step 3 of run 'r' failed" in shown
    assert "report.html" in shown


def test_errors_of_the_user(tmp_path):
    with pytest.raises(CommandError, match="2 runs goes: --out DIR"):
        run_command(tmp_path, tmp_path / "b")
    with pytest.raises(t.TableError, match="there is no score table"):
        run_command(tmp_path)
    t.append_rows(tmp_path / t.SCORES_FILE, t.make_table([]))
    with pytest.raises(t.TableError, match="no rows"):
        run_command(tmp_path)


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
        "demo, permuted": "permuted",
        "demo, permuted (seed 3)": "permuted",
        "SpectroTemporal": "baseline",
    }
    assert found["demo, permuted"].colour == found["demo"].colour != found["published"].colour
    states = {entry.label: entry.state for entry in entries(table)}
    assert states["demo, step 10"] == "trained"
    assert states["published"] == "trained"  # step 0, but nothing says that it is untrained
    assert states["CochCNN9, untrained"] == "untrained"
    assert states["demo, permuted"] == "permuted"


def test_runs_of_one_name_are_told_apart_and_all_look_different():
    same = series_of({"a": voxel_table(), "b": voxel_table()})
    assert [one.name for one in same] == ["demo (a)", "demo (b)"]
    many = series_of({"t": merged(*(voxel_table(f"run{number}", steps=(0,)) for number in range(20)))})
    assert len({(one.colour, one.marker) for one in many}) == 20


def test_long_names_are_cut():
    (one,) = series_of({"t": voxel_table("x" * 50 + "end", steps=(0,))})
    assert len(one.name) <= 40
    assert one.name.endswith("end")


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
    np.testing.assert_allclose(summary.errors, participant_error(values))
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
    assert [report_tables.p_value(p) for p in (0.0123, 1e-4, float("nan"))] == ["0.012", "< 0.001", "–"]


def test_features_come_from_what_score_has_kept(tmp_path, tiny_network, make_benchmark, monkeypatch):
    benchmark = make_benchmark(name="NH2015", num_units=4)
    key = activation_key(
        network_fingerprint(tiny_network), "relufc", benchmark.stimuli_fingerprint(1000, tiny_network.num_samples)
    )
    features = np.random.default_rng(0).standard_normal((24, 5)).astype(np.float32)
    ActivationCache(tmp_path / "cache").put(key, features)
    loaded = []

    def load(checkpoint, **_):
        loaded.append(checkpoint)
        if checkpoint == "gone.ckpt":
            raise OSError("gone")
        return SimpleNamespace(network=tiny_network)

    monkeypatch.setattr(report_features, "load_network", load)
    table = merged(
        voxel_table("kept", steps=(10,), checkpoint="kept.ckpt"),
        voxel_table("gone", steps=(10,), checkpoint="gone.ckpt"),
        voxel_table("callback", steps=(10,)),
    )
    series = series_of({"t": table})
    folders = [tmp_path / "nowhere", tmp_path / "cache"]
    found = report_features.kept_features(series, benchmark, folders)
    assert list(found) == ["kept, step 10\nrelufc"]  # the stage with the highest score
    np.testing.assert_array_equal(found["kept, step 10\nrelufc"], features)
    assert loaded == ["kept.ckpt", "gone.ckpt"]
    assert report_features.kept_features(series, benchmark, folders[:1]) == {}


def test_matrices_of_sounds_are_in_the_page(tmp_path, make_benchmark):
    benchmark = make_benchmark(num_units=4, categories=("b", "a", "c") * 8)
    features = {"tiny": {"net\nrelu0": np.random.default_rng(0).standard_normal((24, 3))}}
    rows = [row("demo", 10, t.BEST_STAGE_RSA, t.BEST, "all", "all", 0.5, benchmark="tiny")]
    report = write_report({"t": t.make_table(rows)}, tmp_path, benchmarks=[benchmark], features=features)
    assert "tiny_rdm.png" in {path.name for path in report.figures}
    assert "Sounds sorted by category" in read_page(report.page)[1]


@pytest.mark.parametrize("missing", ["values", "stages", "best"])
def test_what_is_missing_is_left_out(missing, tmp_path):
    table = voxel_table(steps=(10,), regions=(), benchmark="tiny")
    if missing == "values":
        table = table.assign(value=float("nan"))
    elif missing == "stages":
        table = table[table[t.STAGE] == t.BEST]
    else:
        table = table[table[t.STAGE] != t.BEST]
    _, text = read_page(write_report({"t": table}, tmp_path).page)
    assert "No run was scored at two or more steps" in text
    assert ("No single stages were scored" in text) == (missing == "stages")
    assert ("No score at the best stage: no bars" in text) == (missing == "best")


def test_similarity_and_dimensionality_are_shown(tmp_path):
    rows = []
    for number, stage in enumerate(STAGES):
        rows.append(row("demo", 10, t.RSA, stage, "all", "all", 0.3 + 0.1 * number))
        rows.append(row("demo", 10, t.EFFECTIVE_DIMENSIONALITY, stage, "all", "all", 4.0 + number))
        rows.append(row("demo", 10, t.RSA_NUM_UNDEFINED, stage, "all", "all", 1))
    rows.append(row("demo", 10, t.BEST_STAGE_RSA, t.BEST, "all", "all", 0.5))
    rows.append(row("demo", 10, t.RSA_CEILING, "all", "all", "all", 0.777))
    report = write_report({"t": t.make_table(rows)}, tmp_path)
    names = {path.name for path in report.figures if path.suffix == ".png"}
    assert names == {"NH2015_rsa_bars.png", "NH2015_rsa_stage_curves.png", "NH2015_dimensionality.png"}
    text = read_page(report.page)[1]
    assert "SpectroTemporal (published) 0.413" in text
    assert "ceiling 0.777" in text
    assert "demo, step 10 10 0.500 3" in text  # undefined pairs over all stages


def seeds_tables():
    """Two seeds of one recipe 0.1 apart, one run of another, the baseline."""
    only = {"regions": ("Lateral",)}
    return {
        "a": merged(voxel_table("words_seed0", level=0.3, **only), voxel_table("words_seed1", level=0.4, **only)),
        "b": voxel_table("quiet-seed7", level=0.2, **only),
        "c": voxel_table("SpectroTemporal", steps=(0,), checkpoint="SpectroTemporal", **only),
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("words_seed0", "words"),
        ("words-seed12", "words"),
        ("seed_3_words", "words"),
        ("words_seed0 (a/run)", "words (a/run)"),
        ("words", "words"),
        ("seed1", "seed1"),
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


@pytest.mark.slow
def test_seeds_are_on_the_page(tmp_path, capsys):
    for name, table in seeds_tables().items():
        t.append_rows(tmp_path / name / t.SCORES_FILE, table)
    assert run_command(*(tmp_path / name for name in "abc"), "--out", tmp_path / "out") == 0
    _, text = read_page(tmp_path / "out" / "report.html")
    assert "words 2 0.510 ± 0.050" in text
    assert "mean over runs that differ in their seed alone" in text
    assert {"NH2015_seeds_bars.png", "NH2015_seeds_trajectories.png"} <= {
        path.name for path in (tmp_path / "out" / "figures").iterdir()
    }
    with pytest.raises(CommandError, match=r"--group is a regular expression, got '\('"):
        run_command(tmp_path / "a", "--group", "(")
