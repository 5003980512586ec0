"""The log of a run is what its console showed, line by line, whatever ended the run."""

import io
import logging
import os
import re
import sys
from contextlib import suppress

import pytest
from rich.console import Console
from rich.progress import Progress

from train.run.console_log import ConsoleLog, PlainLines


def plain(*writes: str) -> list[str]:
    lines = PlainLines()
    return [line for text in writes for line in lines.add(text)] + lines.finish()


def test_lines_lose_colours_and_links_and_what_was_drawn_over():
    link = "\x1b]8;id=1;http://a.b/c\x1b\\a link\x1b]8;;\x1b\\"
    assert plain("\x1b[1;31mred\x1b[0m, \x07", f"{link}\n", "1 %\r50 %\r", "100 %\r\n") == ["red, a link", "100 %"]
    assert plain("half") == ["half"]


@pytest.mark.parametrize("is_transient", [True, False])
def test_of_progress_bars_only_what_stays_is_left(is_transient):
    written = []

    class Screen(io.StringIO):
        def write(self, text):
            written.append(text)
            return len(text)

    console = Console(file=Screen(), force_terminal=True, width=60)
    lines = PlainLines()
    shown = []
    with Progress(console=console, transient=is_transient, auto_refresh=False) as bars:
        first, _ = bars.add_task("first", total=3), bars.add_task("second", total=3)
        for number in range(3):
            bars.advance(first)
            bars.refresh()
            console.print(f"line {number}")
            shown.append([line for text in written for line in lines.add(text)])
            written.clear()
    end = [line for text in written for line in lines.add(text)] + lines.finish()
    found = [line for part in shown for line in part] + end
    assert [line for line in found if line.startswith("line")] == ["line 0", "line 1", "line 2"]
    of_bars = [line.split()[0] for line in found if not line.startswith("line")]
    assert of_bars == ([] if is_transient else ["first", "second"])
    assert shown[2] == ["line 1"], "lines are final as soon as the bars are drawn again"


def test_all_that_was_shown_is_in_the_file_at_once(tmp_path, capsys, monkeypatch):
    path = tmp_path / "log.txt"
    monkeypatch.setattr(logging.getLogger("somewhere"), "handlers", [logging.StreamHandler()])  # made before
    with suppress(ValueError), ConsoleLog() as log:
        print("before training")
        assert not path.exists()
        log.start(path, "cochlearn fit --config a.yaml")
        print("\x1b[32mon stdout\x1b[0m")
        sys.stderr.write("on stderr\n")
        logging.getLogger("somewhere").warning("a warning")
        log.note("a line for the log")
        log.note_now("\nfrom a signal handler\n")
        assert path.read_text().count("\n") == 7
        raise ValueError("too bad")
    with ConsoleLog() as log:
        log.start(path, "cochlearn fit --config a.yaml --resume true")
    lines = path.read_text().splitlines()
    heading = r"=== \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}: cochlearn fit --config a.yaml"
    assert re.fullmatch(heading, lines[0])
    assert lines[1:5] == ["before training", "on stdout", "on stderr", "a warning"]
    assert re.fullmatch(r"\d\d:\d\d:\d\d a line for the log", lines[5])
    assert lines[6:8] == ["from a signal handler", "Traceback (most recent call last):"]
    assert lines[-3:-1] == ["ValueError: too bad", ""]
    assert re.fullmatch(f"{heading} --resume true", lines[-1])
    assert "on stdout" in capsys.readouterr().out


def test_a_log_that_cannot_be_written_ends_no_run(tmp_path, capsys):
    with ConsoleLog() as log:
        log.start(tmp_path / "missing" / "log.txt", "fit")
        print("continues")
    with ConsoleLog(is_recording=False) as log:
        log.start(tmp_path / "log.txt", "fit")
    assert "continues" in capsys.readouterr().out
    assert os.listdir(tmp_path) == []
