"""`python -m evaluate report`: the page, and what is on it."""

import base64
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.image import imread

from datamodules.files import NotWritableError
from evaluate.commands.report import ReportRuns
from evaluate.features.cache import ActivationCache, activation_key
from evaluate.features.fingerprint import network_fingerprint
from evaluate.report import kept_features as report_features
from evaluate.report.figures import bars
from evaluate.report.figures.probes import probe_figure
from evaluate.report.figures.series import series_of
from evaluate.report.report import write_report
from evaluate.scoring import table as t
from networks import NetworkIdentity
from networks.commands.dispatch import CommandError, parse_command
from tests.helpers.score_tables import (
    STAGES,
    entries,
    merged,
    probe_table,
    row,
    seeds_tables,
    voxel_table,
)


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
    return parse_command(ReportRuns, [str(argument) for argument in arguments], program="report").run()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The page on two runs, a permuted control and the baseline."""
    folder = tmp_path_factory.mktemp("report")
    only = {"regions": ("Lateral",)}
    first = merged(voxel_table(**only), t.failed_row("B2021", NetworkIdentity(run="demo", step=10)))
    second = merged(
        voxel_table("<b>other</b>", steps=(20,), checkpoint="last.ckpt", **only),
        voxel_table("last (permuted, seed 0)", steps=(20,), level=0.1, checkpoint="permuted:last.ckpt:0", **only),
        voxel_table("SpectroTemporal", steps=(0,), checkpoint="SpectroTemporal", **only),
    )
    for name, table in (("one", first), ("two", second)):
        t.append_rows(folder / name / t.SCORES_FILE, table)
    assert run_command(folder / "one", folder / "two", "--out", folder / "out") is None
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
    assert {path.suffix for path in (written / "figures").iterdir()} == {".png", ".pdf", ".csv"}
    assert len(pictures) == len(stems) == 8
    assert {f"NH2015_{kind}" for kind in ("bars", "trajectories", "stage_curves", "region_stage", "findings")} < stems
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
        "4 networks (1 also before training), 2 benchmarks",
        "Scoring demo on B2021 at step 10 failed",
        "demo, step 10",
        "demo, untrained",
        "<b>other</b>, permuted",
        "published: SpectroTemporal 0.527",
        "0.560 ± 0.0",  # best stage at step 20
        "bootstrap",
        "No matrices of sounds",
        "The tables hold no scores of this benchmark",  # B2021
    ):
        assert part in text, part
    overview = (written / "report.html").read_text().split("</table>")[0]
    assert overview.count("<tr>") == 1 + 4 + 1  # the header, and two rows for the network that was scored twice
    counts = re.search(r"demo, step 10 10 (?:\d\.\d{3} ± \d\.\d{3} participants, n = 4 < 5 ){2}(\d+) (\d+)", text)
    assert counts is not None
    assert counts.groups() == ("6", "15")  # summed over the three stages


@pytest.mark.slow
def test_same_tables_give_the_same_page(tmp_path):
    tables = {"one": voxel_table(steps=(10,), regions=(), benchmark="tiny")}
    pages = [write_report(tables, tmp_path / name).page.read_bytes() for name in "ab"]
    assert pages[0] == pages[1]


def test_one_run_is_reported_in_its_folder(tmp_path, capsys):
    t.append_rows(tmp_path / t.SCORES_FILE, t.failed_row("tiny", NetworkIdentity(run="r", step=3)))
    assert run_command(tmp_path) is None
    assert (tmp_path / "report.html").is_file()
    shown = capsys.readouterr().out
    assert "scoring tiny at step 3 of run 'r' failed" in shown
    assert "report.html" in shown


@pytest.mark.parametrize("words", [(), ("--published", "false")])
def test_published_networks_can_be_left_out(words, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(bars, "bars_figure", lambda *_, published: drawn.append(published))
    t.append_rows(tmp_path / t.SCORES_FILE, voxel_table(regions=("Lateral",)))
    run_command(tmp_path, *words)
    assert set(drawn) == {not words}


def test_errors_of_the_user(tmp_path):
    with pytest.raises(CommandError, match="2 runs: --out DIR"):
        run_command(tmp_path, tmp_path / "b")
    with pytest.raises(t.TableError, match="there is no score table"):
        run_command(tmp_path)
    t.append_rows(tmp_path / t.SCORES_FILE, t.make_table([]))
    with pytest.raises(t.TableError, match="no rows"):
        run_command(tmp_path)


def test_runs_without_scores_are_left_out_among_others(tmp_path, capsys):
    """As in `report runs/*`; a folder that is not there is an error, and a table stands for its folder."""
    t.append_rows(tmp_path / "scored" / t.SCORES_FILE, voxel_table(regions=("Lateral",)))
    (tmp_path / "new").mkdir()
    given = (tmp_path / "new", tmp_path / "scored" / t.SCORES_FILE)
    assert run_command(*given, "--out", tmp_path / "out") is None
    shown = "".join(capsys.readouterr().out.split())
    assert f"remark:{tmp_path / 'new'}isleftout:itholdsnoscores" in shown
    assert (
        "From 1 table (scored): 1 network (also before training), 1 benchmark."
        in read_page(tmp_path / "out" / "report.html")[1]
    )
    with pytest.raises(t.TableError, match=r"there is no score table .*typo"):
        run_command(tmp_path / "typo", *given, "--out", tmp_path / "out")
    with pytest.raises(NotWritableError, match=r"scores\.csv is not a folder"):
        run_command(*given, "--out", given[1])


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
    assert "published: SpectroTemporal 0.413" in text
    assert "ceiling 0.777" in text
    assert "demo, step 10 10 0.500 3" in text  # undefined pairs over all stages


@pytest.mark.slow
def test_seeds_are_on_the_page(tmp_path, capsys):
    for name, table in seeds_tables().items():
        t.append_rows(tmp_path / name / t.SCORES_FILE, table)
    assert run_command(*(tmp_path / name for name in "abc"), "--out", tmp_path / "out") is None
    _, text = read_page(tmp_path / "out" / "report.html")
    assert "words 2 0.510 ± 0.050" in text
    assert "mean over runs that differ only in their seed" in text
    assert {"NH2015_seeds_bars.png", "NH2015_seeds_trajectories.png"} <= {
        path.name for path in (tmp_path / "out" / "figures").iterdir()
    }
    with pytest.raises(CommandError, match=r"--group must be a regular expression, got '\('"):
        run_command(tmp_path / "a", "--group", "(")


def test_probes_are_on_the_page(tmp_path, capsys):
    """Alone, and beside scores, from which their networks have the colours."""
    run, out = tmp_path / "run", tmp_path / "out"
    t.append_rows(run / t.PROBE_FILE, probe_table())
    assert run_command(run) is None
    shown = " ".join(capsys.readouterr().out.split())
    assert "ESC-50: % of test sounds correct in 5 folds" in shown
    assert "probe.csv" in shown
    assert "scores.csv" not in shown
    _, text = read_page(run / "report.html")
    assert "1 network (also before training), 0 benchmarks, linear probes of labelled sounds" in text
    assert "demo, step 10 relufc 60.0 ± 1.4 folds 10.0" in text
    assert "hold no scores" not in text
    t.append_rows(run / t.SCORES_FILE, voxel_table(regions=()))
    assert run_command(run, "--out", out) is None
    reader, text = read_page(out / "report.html")
    assert "1 network (also before training), 1 benchmark, linear probes of labelled sounds" in text
    assert imread(out / "figures" / "ESC-50_probe.png").std() > 0.01
    assert {"#benchmark-NH2015", "#probe-ESC-50"} == {each["href"] for each in reader.attributes if "href" in each}


def test_figure_of_probes():
    """Stages by name where they are the same or single, else by their relative position; chance once."""

    def drawn(*tables):
        shown = entries(*tables, metrics=[t.PROBE_ACCURACY], benchmark="ESC-50")
        (panel,) = probe_figure(shown, "ESC-50").axes
        return panel, panel.get_legend_handles_labels()[1], [bars.lines[0].get_xdata() for bars in panel.containers]

    panel, labels, x = drawn(probe_table())
    assert [label.get_text() for label in panel.get_xticklabels()] == list(STAGES)
    assert sorted(labels) == ["chance", "demo, step 10", "demo, untrained"]
    panel, labels, x = drawn(probe_table(), probe_table("other", steps=(10,), stages=("relufc",)))
    assert [list(each) for each in x] == [[0, 1, 2], [0, 1, 2], [2]]
    panel, labels, x = drawn(probe_table(steps=(10,)), probe_table("other", steps=(10,), stages=("a", "b")))
    assert [list(each) for each in x] == [[0, 0.5, 1], [0, 1]]
    assert labels.count("chance") == 1
    assert probe_figure([], "ESC-50") is None
