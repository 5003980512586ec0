"""What networks share, in the report: parts next to a reference, over training, and pairs of networks."""

import numpy as np
import pandas as pd
import pytest

from evaluate import score_network
from evaluate.metrics.partition.network_parts import COLUMNS
from evaluate.metrics.partition.parts_table import append_parts, read_parts
from evaluate.metrics.score_kinds import kinds_in
from evaluate.metrics.standard_errors import sound_error
from evaluate.options import PARTITION_FILE
from evaluate.report.figures import style
from evaluate.report.figures.parts import bars_figure, parts_drawings, parts_over_training_figure, reference_figure
from evaluate.report.report import write_report
from evaluate.report.tables.shared_variance import SHOWN, TOTALS, parts_of_rows
from evaluate.scoring import table as t
from evaluate.scoring.table import TableError
from networks import NetworkIdentity
from tests.helpers.evaluate_command import run


@pytest.fixture
def rows(tiny_network, make_benchmark):
    identity = NetworkIdentity(run="demo", step=4)
    return score_network(tiny_network, make_benchmark(), metrics=["partition:untrained:self"], identity=identity)


@pytest.fixture
def parts(rows):
    (kind,) = kinds_in(rows[t.METRIC])
    return parts_of_rows(rows, kind, "demo")


def pairs(networks=("a.ckpt", "b.ckpt", "c.ckpt"), benchmark="tiny"):
    found = []
    for number, first in enumerate(networks):
        for second in networks[number + 1 :]:
            for region in ("all", "A"):
                for place, part in enumerate((*SHOWN, *TOTALS)):
                    value = 0.1 * (number + place)
                    key = (first, second, "all", "all", benchmark, part, region, "all")
                    found.append((*key, "True", value, 0.02, value, 0.02))
    return pd.DataFrame(found, columns=list(COLUMNS))


def test_values_and_errors_are_those_of_the_table(rows, parts):
    values = parts.set_index(["part", "region"])
    metric = rows[(rows[t.METRIC] == "partition_shared_r2_corrected/untrained-self") & (rows[t.REGION] == "A")]
    by_subject = metric.set_index(t.SUBJECT)[t.VALUE]
    assert values.loc[("shared", "A"), "value"] == by_subject["all"]
    error = np.std(by_subject[["s1", "s2"]], ddof=1) / np.sqrt(2)
    assert values.loc[("shared", "A"), "error"] == pytest.approx(error)
    assert list(dict.fromkeys(parts["region"])) == ["all", "B", "A"]


def test_bars_of_networks_and_curves_over_training(parts):
    both = pd.concat([parts, parts.assign(a="other")], ignore_index=True)
    figure = reference_figure(both, "tiny")
    panels = figure.axes[:3]
    assert [panel.get_title() for panel in panels] == ["all (together)", "B", "A"]
    assert [label.get_text() for label in panels[0].get_yticklabels()] == ["demo", "other"]
    widths = [bar.get_width() for bar in panels[0].patches]
    shown = parts[parts["region"] == "all"].set_index("part")["value"]
    np.testing.assert_allclose(widths, [shown[part] for part in SHOWN for _ in range(2)])
    over = parts_over_training_figure(pd.concat([parts.assign(step=step) for step in (0, 4)]), "tiny")
    assert [len(line.get_xdata()) for line in over.axes[0].lines[:3]] == [2, 2, 2]


def test_the_report_has_tables_and_figures_of_parts(rows, tmp_path, monkeypatch):
    """Figures are made, but saved as empty files: drawing them takes most of the time."""
    monkeypatch.setattr(style, "figure_bytes", lambda *_: b"<svg/>")
    table = pd.concat([rows, rows.assign(step=0, kind="untrained")], ignore_index=True)
    report = write_report({"demo": table}, tmp_path, pairs=pairs())
    page = " ".join(report.page.read_text().split())
    for text in (
        "Noise-corrected R² beyond untrained-self at the best stage",
        "only the reference",
        "tiny: what networks share",
        "Explained variance in parts",
        "Each of 3 pairs of networks",
    ):
        assert text in page, text
    names = {path.stem for path in report.figures}
    assert {f"tiny_partition_untrained-self_{name}" for name in ("parts", "parts_training", "bars")} <= names
    assert {"tiny_partition_matrix", *(f"tiny_partition_{number}" for number in (1, 2, 3))} <= names


def test_two_networks_have_no_matrix():
    (drawing,) = parts_drawings(pairs(("a.ckpt", "b.ckpt")), "tiny")
    assert drawing[0] == "tiny_partition"
    assert "need not add up" in drawing[2]


@pytest.mark.parametrize(("corrected", "label"), [("True", "noise-corrected R²"), ("False", "R²"), ("", "R²")])
def test_axes_say_whether_values_are_corrected_for_noise(parts, corrected, label):
    table = pairs(("a.ckpt", "b.ckpt")).assign(noise_corrected=corrected)
    assert bars_figure(table, "tiny").axes[0].get_ylabel() == f"{label} on test sounds"
    assert reference_figure(parts.assign(noise_corrected=corrected), "tiny").axes[0].get_xlabel() == label


def test_a_table_of_before_is_read(tmp_path):
    """It has no means, and does not say what its values are."""
    path = tmp_path / PARTITION_FILE
    whole = pairs(("a.ckpt", "b.ckpt"))
    whole.drop(columns=["mean", "mean_error", "noise_corrected"]).to_csv(path, index=False)
    merged = read_parts(append_parts(path, whole.assign(a="c.ckpt")))
    assert merged["mean"].isna().sum() == len(whole)
    assert list(dict.fromkeys(merged["noise_corrected"])) == ["", "True"]


def test_components_have_errors_over_sounds(tiny_network, make_benchmark):
    units = make_benchmark().units.assign(subject="s1")
    rows = score_network(
        tiny_network, make_benchmark(units=units), metrics=["partition:untrained:self"], stages=["relu0"]
    )
    (kind,) = kinds_in(rows[t.METRIC])
    found = parts_of_rows(rows, kind, "demo").set_index(["part", "region"])
    of_part = rows[rows[t.METRIC] == "partition_shared_r2_corrected/untrained-self"]
    splits = of_part[of_part[t.SUBJECT].str.startswith(t.SPLIT) & (of_part[t.REGION] == "all")][t.VALUE]
    expected = float(sound_error(splits.to_numpy(), num_train=12, num_test=12))
    assert found.loc[("shared", "all"), "error"] == pytest.approx(expected)


def test_a_report_of_pairs_alone(tmp_path, capsys):
    append_parts(tmp_path / "parts" / PARTITION_FILE, pairs(("a.ckpt", "b.ckpt")))
    assert run("report", str(tmp_path / "parts")) == 0
    page = (tmp_path / "parts" / "report.html").read_text()
    assert "what networks share" in page
    assert "2 networks, 1 benchmark." in page
    (tmp_path / "parts" / PARTITION_FILE).write_text("no,table\n1,2\n")
    assert run("report", str(tmp_path / "parts")) == 2
    assert "no table of the command partition" in " ".join(capsys.readouterr().err.split())
    with pytest.raises(TableError):
        append_parts(tmp_path / "parts" / PARTITION_FILE, pairs())
