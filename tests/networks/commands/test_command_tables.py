"""Tables that commands print."""

import io

import pytest
from rich.console import Console
from rich.table import Table

from networks.commands.console_tables import Name, narrowest, print_table

NUMBERS = [f"0.{number:03d}" for number in range(12)]


def wide_table() -> Table:
    table = Table(title="scores")
    table.add_column("network", overflow="fold", min_width=16)
    for number in NUMBERS:
        table.add_column(f"region{number}", justify="right", no_wrap=True)
    table.add_row("a/run/with/a/long/name/last.ckpt (permuted, seed 0)", *NUMBERS)
    return table


def printed(*, width: int, is_terminal: bool) -> list[str]:
    file = io.StringIO()
    print_table(wide_table(), Console(file=file, width=width, force_terminal=is_terminal, color_system=None))
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [30, 80, 170, 400])
@pytest.mark.parametrize("is_terminal", [False, True])
def test_no_number_is_cut(width, is_terminal):
    lines = printed(width=width, is_terminal=is_terminal)
    (row,) = [line for line in lines if NUMBERS[0] in line and "region" not in line]
    assert all(number in row for number in NUMBERS)
    assert ("(permuted, seed 0)" in row) == (not is_terminal or width == 400)  # else the name is folded


def test_in_a_terminal_names_are_folded_to_its_width():
    narrowest = max(map(len, printed(width=30, is_terminal=True)))
    assert max(map(len, printed(width=narrowest + 5, is_terminal=True))) == narrowest + 5


def test_names_are_shortened_in_one_line_before_columns_get_narrower_than_their_numbers():
    table = Table()
    table.add_column("network", min_width=16)
    table.add_column("stage", min_width=9)
    table.add_column("score", no_wrap=True)
    table.add_row(Name("a_folder/a_run_with_a_long_name/last.ckpt"), Name("encoder.layers.10.attention"), "0.123456")
    file = io.StringIO()
    print_table(table, Console(file=file, width=50, force_terminal=True, color_system=None))
    lines = file.getvalue().splitlines()
    assert {len(line) for line in lines} == {50}
    (row,) = [line for line in lines if "0.123456" in line]
    assert "a_fold" in row
    assert "st.ckpt" in row
    assert row.count("…") == 2
    assert narrowest(table) < 50


def test_a_quiet_console_stays_quiet(capsys):
    print_table(wide_table(), Console(quiet=True))
    assert capsys.readouterr().out == ""
