"""Names of networks in the tables of a terminal."""

import io

import pytest
from rich.console import Console

from evaluate.commands.shown_scores import show_scores
from evaluate.report.network_names import short_stage_names
from tests.helpers.score_tables import component_table, entries, merged, merged_as_they_are, voxel_table


@pytest.mark.parametrize(
    ("run", "checkpoint", "name"),
    [
        ("mine", "runs/mine/checkpoints/last.ckpt", "mine/last.ckpt"),
        ("mine", "", "mine"),
        ("multi", "weights/multi.pt", "multi.pt"),
        ("SpectroTemporal", "SpectroTemporal", "SpectroTemporal"),
        ("mine/last (permuted, seed 0)", "permuted:runs/mine/last.ckpt:0", "mine/last (permuted, seed 0)"),
    ],
)
def test_a_network_has_one_name_alone_and_beside_others(run, checkpoint, name):
    table = voxel_table(run, checkpoint=checkpoint, steps=(10,))
    for shown in (table, merged(table, voxel_table("other", steps=(10,)))):
        file = io.StringIO()
        show_scores(shown, Console(file=file))
        rows = [line for line in file.getvalue().splitlines() if line.strip().startswith(f"{name} ")]
        assert len(rows) == 1
        assert rows[0].replace(name, "").split()[0] == "10"


def test_step_0_is_shown_for_the_start_of_a_run_alone():
    file = io.StringIO()
    external = voxel_table("/a/nets.py:make", checkpoint="/a/nets.py:make", steps=(0,))
    control = voxel_table("CochCNN9, untrained", steps=(0,)).assign(kind="untrained", parent="CochCNN9")
    table = merged_as_they_are(voxel_table(), external, control)
    show_scores(table, Console(file=file, width=100))
    lines = [line.rsplit(None, 4)[:2] for line in file.getvalue().splitlines()]
    steps = {name.strip(): step for name, step in filter(lambda line: len(line) == 2, lines)}
    assert (steps["nets.py:make"], steps["CochCNN9, untrained"]) == ("–", "–")
    assert [line.split()[1] for line in file.getvalue().splitlines() if line.strip().startswith("demo")] == ["0", "10"]
    series = {entry.label: entry.step_text for entry in entries(table)}
    assert series == {
        "demo, step 10": "10",
        "demo, untrained": "0",
        "nets.py:make": "–",
        "CochCNN9, untrained": "–",
    }


def test_tables_are_as_wide_as_a_terminal():
    regions = ("Primary", "Lateral", "Anterior", "Posterior", "Superior", "Inferior")
    name = "a_rather_long_name_of_a_folder/nets.py:a_network_with_a_long_name"
    table = merged(voxel_table(name, regions=regions), voxel_table("other", regions=regions))
    shares = table[(table["stage"] == "relu0") & (table["metric"] == "encoding_r2_corrected")]
    stage = "feature_extractor.convolutional_layers.0"
    shares = shares.assign(metric="best_stage_r2_corrected_share", stage=stage, value=1.0)
    table = merged(table, shares, shares.assign(stage="relu0", value=0.0))
    for width in (60, 80, 100, 200):
        file = io.StringIO()
        show_scores(table, Console(file=file, width=width, force_terminal=True, color_system=None))
        shown = file.getvalue()
        assert max(map(len, shown.splitlines())) <= width
        assert all(shown.count(region) == 1 for region in regions)
        assert ("continued" in shown) == (width < 200)
    file = io.StringIO()
    show_scores(table, Console(file=file, width=60))
    assert all(text in file.getvalue() for text in (name, "convolutional_layers.0"))
    assert "…" not in file.getvalue()


@pytest.mark.parametrize(
    ("stages", "short"),
    [
        (("relu0", "fc"), ("relu0", "fc")),
        (("front.conv.0", "front.conv.1", "back.layers.0"), ("conv.0", "conv.1", "layers.0")),
        (("a.layers.0", "b.layers.0", "b.layers.1"), ("a.layers.0", "b.layers.0", "layers.1")),
        (("a.b", "b"), ("a.b", "b")),
        (("0", "1.2", "net.0"), ("0", "1.2", "net.0")),
        (("conv_layers.1", "x.layers.1"), ("conv_layers.1", "layers.1")),
    ],
)
def test_short_names_of_stages_are_the_shortest_ends_that_differ(stages, short):
    assert tuple(short_stage_names(stages).values()) == short


def test_few_participants_are_named_below_the_table():
    def shown(table):
        file = io.StringIO()
        show_scores(table, Console(file=file, width=100))
        return " ".join(file.getvalue().split())

    assert "mean over participants, n = 4 < 5" in shown(voxel_table())
    rows = voxel_table()
    fifth = rows[rows["subject"] == "s1"].assign(subject="s5")
    assert "mean over participants" not in shown(merged_as_they_are(rows, fifth))
    splits = rows[rows["subject"] == "s1"].assign(subject="split3")
    assert "n = 4 < 5" in shown(merged_as_they_are(rows, splits))
    assert "mean over participants" not in shown(component_table(iterations=10))
