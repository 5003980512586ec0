"""Names of users are text wherever they are shown: never a style, a picture, a code of the terminal or a formula."""

import ast
import io
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.figure import Figure
from rich.table import Table

from datamodules.building.picture import draw_report
from datamodules.building.records import JobOutcome, Problem
from datamodules.progress import Progress, write_line
from datamodules.tasks import LabelSet
from evaluate.commands.check import _units_table
from evaluate.report.figures import style
from networks.commands.console_tables import print_table
from networks.commands.dispatch import report_error, text_console
from tests.test_architecture import PACKAGES, ROOT
from train.display.live_view import LiveView
from train.display.pace import Pace
from train.display.page.run_figures import curves_figure
from train.display.run_summary import held_out_rows, show_summary
from train.display.training_progress import TrainingProgress

NAMES = (
    "[left]",
    "[/STS]",
    "[bold red]x",
    "[link=https://a.b]y[/link]",
    ":cat:",
    "a[1]",
    r"\[b]",
    "[[c]]",
    "$x_1$",
    "_d",
)
FORMULAS = ("$\\frac{a$", "$x^", "a_b$c_d$", "$\\undefined$", "{^}", "cost $5 and $6", "\\alpha")


@pytest.mark.parametrize("name", NAMES)
def test_a_console_shows_names_as_they_are(name):
    console = text_console(file=io.StringIO(), width=200)
    table = Table(name, "b", title=f"about {name}", caption=f"below {name}")
    table.add_column(f"third {name}")
    table.add_row(name, f"cell {name}", f"in {name} it")
    console.print(table)
    print_table(table, console)
    console.print(f"line {name}")
    shown = console.file.getvalue()
    for text in (f"about {name}", f"below {name}", f"third {name}", f"cell {name}", f"in {name} it", f"line {name}"):
        assert text in shown


def test_codes_of_a_terminal_are_shown_and_not_sent():
    console = text_console(file=io.StringIO(), width=100)
    table = Table("a\x1b[2Jb")
    table.add_row("\x1b]0;title\x07c")
    console.print(table)
    assert "\x1b" not in console.file.getvalue()
    assert "a␛[2Jb" in console.file.getvalue()


@pytest.mark.parametrize("name", [name for name in NAMES if "/" not in name])
def test_the_displays_of_training_show_names_as_they_are(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    values = {f"val/{name}/{name}/loss": 1.0, f"val/{name}/{name}/top1": 0.5, f"val/{name}/{name}/chance": 0.1}
    view = LiveView(values | {"brain/[mine]/best": 0.25})
    bar = TrainingProgress(Pace(), console_kwargs={"width": 200, "file": io.StringIO()})
    bar._plain.print(view)
    write_line(view.line(), bar._plain)
    shown = bar._plain.file.getvalue()
    assert shown.count(name) >= 4
    assert "[mine]" in shown
    show_summary(held_out_rows(values), f"Title {name}")
    printed = capsys.readouterr().out
    assert f"Title {name}" in printed
    assert printed.count(name) == 3


@pytest.mark.parametrize("name", NAMES)
def test_bars_show_names_as_they_are(name):
    file = io.StringIO()
    console = text_console(file=file, width=200, force_terminal=True, force_interactive=True, color_system=None)
    with Progress(f"building {name}", num_parts=2, console=console) as display:
        display.report(f"step {name}", 1, 2, unit=f"[{name}]")
        display._bars.refresh()
    assert f"step {name}" in file.getvalue()
    assert f"building {name}" in file.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_errors_and_tables_of_units_show_names_as_they_are(name, capsys):
    report_error(f"no {name}")
    assert f"error: no {name}" in capsys.readouterr().err
    console = text_console(file=io.StringIO(), width=200)
    print_table(_units_table(pd.DataFrame({name: [1]}, index=[f"subject {name}"])), console)
    assert f"subject {name}" in console.file.getvalue()


def test_every_console_is_one_of_text():
    """A console that reads markup would need a reason, and then a line here."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "Console":
                    given = {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords if keyword.arg}
                    assert given.get("markup") is given.get("emoji") is False, f"{path}:{node.lineno}"


def drawn_texts(figure: Figure, monkeypatch) -> list[str]:
    """Texts of a figure that the formula reader was asked for as it was drawn."""
    asked = []
    monkeypatch.setattr(mpl.mathtext.MathTextParser, "parse", lambda self, text, *_, **__: asked.append(text))
    for kind in ("png", "svg", "pdf"):
        assert style.figure_bytes(figure, kind)
    return asked


@pytest.mark.parametrize("name", FORMULAS)
def test_text_in_figures_is_no_formula(name, monkeypatch):
    figure, panels = style.new_panels(2, f"title {name} {name}")
    for panel in panels:
        panel.plot([0, 1], [0, 1], label=style.legend_label(name))
        panel.set_title(f"{name}{name}")
        style.label_stages(panel, [name, f"{name}$"])
    style.label_axes(figure, panels, x_label=f"{name} {name}", y_label=name)
    assert drawn_texts(figure, monkeypatch) == []


@pytest.mark.parametrize("name", FORMULAS)
def test_curves_of_training_are_drawn_for_all_names(name, monkeypatch):
    series = pd.Series([1.0, 0.5], index=[1, 2])
    history = {f"val/{name}/{name}/loss": series, f"val/{name}/{name}/top1": series, f"val/{name}/loss": series}
    assert drawn_texts(curves_figure(history, [name], [name]), monkeypatch) == []


def test_names_with_an_underscore_stay_in_legends():
    figure, panels = style.new_panels(1, "title")
    panels[0].plot([0, 1], label=style.legend_label("_control"))
    style.shared_legend(figure, panels)
    assert [text.get_text().strip() for text in figure.legends[0].get_texts()] == ["_control"]


@pytest.mark.parametrize("name", FORMULAS)
def test_the_picture_of_a_build_is_drawn_for_all_names(tmp_path: Path, name, monkeypatch):
    asked = []
    monkeypatch.setattr(mpl.mathtext.MathTextParser, "parse", lambda self, text, *_, **__: asked.append(text))
    problem = Problem(name, 1, "key", "a.wav", f"{name}{name}", "reason")
    outcomes = {f"{name}{name}": [JobOutcome(None, (), (), (problem,))], "_x": []}
    draw_report(
        tmp_path / "a.png",
        outcomes,
        [problem],
        {f"{name} {name}": LabelSet("one_label", (name, "b"), null_label=None)},
        8000,
    )
    assert (tmp_path / "a.png").stat().st_size
    assert asked == []
