"""Names of networks in the tables of a terminal."""

import io

import pytest
from rich.console import Console

from evaluate.commands.shown_scores import show_scores
from tests.helpers.score_tables import merged, voxel_table


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
