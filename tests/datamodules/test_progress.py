"""Progress of long work: lines of a log with an injected clock, bars in a terminal."""

import io
import re

import pytest
from rich.console import Console

from datamodules.progress import BYTES, FIRST_LINE_AFTER_S, LINE_EVERY_S, Progress


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Log:
    """A file that is no terminal, and the display that writes to it."""

    def __init__(self, what: str = "building speech", **settings):
        self.clock, self.file = Clock(), io.StringIO()
        self.display = Progress(what, console=Console(file=self.file), clock=self.clock, **settings)

    def report_at(self, second: float, *told, **more) -> None:
        self.clock.now_s = 1000.0 + second
        self.display.report(*told, **more)

    def lines(self) -> list[str]:
        """Without the time of day."""
        lines = self.file.getvalue().splitlines()
        assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in lines)
        return [line[9:] for line in lines]


def test_lines_of_a_log_come_at_most_every_half_minute():
    log = Log()
    with log.display:
        for second in range(0, 241):
            log.report_at(second, "writing shards", 85 * second, 20_400, unit="clips")
    lines = log.lines()
    assert LINE_EVERY_S == 30
    assert lines[0] == "writing shards: 425 of 20 400 clips (2 %), 85 clips/s, about 4 min left"
    assert lines[1] == "writing shards: 2 975 of 20 400 clips (14 %), 85 clips/s, about 3 min left"
    assert len(lines) == 1 + (240 - FIRST_LINE_AFTER_S) // LINE_EVERY_S + 1
    assert lines[-1] == "building speech: done in 4 min"


def test_short_work_has_no_line():
    log = Log()
    with log.display:
        log.report_at(0, "writing shards", 0, 10, unit="clips")
        log.report_at(2, "writing shards", 10, 10, unit="clips")
    assert log.lines() == []


def test_work_that_fails_has_no_last_line():
    log = Log()

    def work() -> None:
        with log.display:
            log.report_at(9, "writing shards", 1, 10)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        work()
    assert log.lines() == ["writing shards: 1 of 10 (10 %)"]


def test_what_was_there_before_does_not_count_as_speed():
    log = Log()
    with log.display:
        log.report_at(0, "verifying", 500, 1000, unit="clips")
        log.report_at(1, "writing", 500, 1000, unit="clips")
        log.report_at(11, "writing", 520, 1000, unit="clips")
    assert log.lines()[0] == "writing: 520 of 1 000 clips (52 %), 2.0 clips/s, about 4 min left"


def test_parts_of_the_work_and_their_time():
    log = Log("scoring 3 networks", num_parts=3, part="network")
    with log.display:
        log.report_at(10, "one.ckpt: relu0", 1, 4)
        log.report_at(50, "one.ckpt: relu0", 3, 4)
        log.clock.now_s = 1100
        log.display.finish_part()
        log.report_at(120, "loading two.ckpt")
        log.report_at(210, "two.ckpt: relu0", 1, 4)
    assert log.lines()[:-1] == [
        "network 1 of 3, one.ckpt: relu0: 1 of 4 (25 %)",
        "network 1 of 3, one.ckpt: relu0: 3 of 4 (75 %), about 20 s left",
        "network 2 of 3 (about 3 min left in all), loading two.ckpt",
        "network 2 of 3, two.ckpt: relu0: 1 of 4 (25 %)",
    ]


def test_bytes_and_unknown_totals():
    log = Log()
    with log.display:
        log.report_at(0, "downloading", 0, 180_000_000, unit=BYTES)
        log.report_at(10, "downloading", 45_000_000, 180_000_000, unit=BYTES)
        log.report_at(60, "unpacking", 1200, None, unit="files")
    assert log.lines()[:-1] == [
        "downloading: 45.0 MB of 180.0 MB (25 %), 4.5 MB/s, about 30 s left",
        "unpacking: 1 200 files",
    ]


def test_no_line_while_nothing_is_done():
    log = Log()
    with log.display:
        log.report_at(1, "scoring", 1, 2)
        log.display.rest("waiting")
        log.clock.now_s += 100
        log.display._write_if_due()
        assert log.lines() == []
        log.report_at(200, "scoring", 1, 2)
    assert log.lines()[0] == "scoring: 1 of 2 (50 %)"


def test_lines_come_also_while_nothing_is_reported(monkeypatch):
    monkeypatch.setattr("datamodules.progress.HEARTBEAT_S", 0.01)
    monkeypatch.setattr("datamodules.progress.LINE_EVERY_S", 0.0)
    monkeypatch.setattr("datamodules.progress.FIRST_LINE_AFTER_S", 0.0)
    file = io.StringIO()
    with Progress("checking", console=Console(file=file)) as display:
        while file.getvalue().count("checking") < 2:
            assert display is not None
    assert "checking: done in " in file.getvalue().splitlines()[-1]


def test_nothing_is_shown_unless_wanted():
    log = Log(is_shown=False)
    with log.display:
        log.report_at(100, "writing", 1, 2)
        log.display.rest("waiting")
        log.display.finish_part()
    assert log.lines() == []


def test_a_terminal_has_bars_that_disappear():
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80, color_system=None)
    with Progress("scoring", num_parts=2, part="network", console=console) as display:
        display.report("[a] name: relu0", 0, 0)
        display.report("[a] name: relu0", 3, 4, unit="stages")
        display.finish_part()
        display._bars.refresh()
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())
    assert re.search(r"\[a\] name: relu0 ━+ +3 of 4 stages", text)
    assert re.search(r"scoring +━+ +1 of 2", text)
    assert "done in" not in text
