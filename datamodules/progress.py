"""How far long work is: a bar in a terminal, and in a log a line every half minute at most.

rich draws the bars. Without a terminal it writes nothing before the end, and its rates need many reports, so that the
lines of a log are made here.
"""

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from networks.text.wording import shortened

if TYPE_CHECKING:
    from rich import progress as bars
    from rich.console import Console

LINE_EVERY_S = 30.0
"""Without a terminal, lines are at least this far apart."""
FIRST_LINE_AFTER_S = 5.0
"""The first line comes sooner, to show that work is under way; shorter work has no lines."""
HEARTBEAT_S = 1.0
"""How often to check whether a line is due while the work itself reports nothing."""
BYTES = "bytes"
"""The unit of downloads, shown in MB."""
_BAR_WIDTH, _NUMBERS_WIDTH, _LEAST_WIDTH = 20, 36, 24
"""Characters of a bar, of the numbers after it, and of the words before it in a narrow terminal."""


ReportProgress = Callable[[str, int, int], None]
"""What long work calls as `report(what, num_done, num_total)`; `Progress.report` is one."""

ReportCount = Callable[[int, int], None]
"""What long work of one kind calls as `report(num_done, num_total)`."""


class Progress:
    """Shows how far long work is; a context manager around the work.

    In a terminal it draws bars, which disappear at the end. Elsewhere it writes lines such as

        12:03:41 writing shards: 4 200 of 20 000 clips (21 %), 85 clips/s, about 3 min left

    at most every half minute, also while nothing is reported, and a last line with the total time, unless that is a few
    seconds. Everything goes to stderr: what a command prints on stdout stays as it is.

    Args:
        what: The work as a whole, for the last line, such as "building data/speech".
        num_parts: Number of like parts, such as networks to score.
        part: What a part is called.
        is_shown: Whether anything is shown at all.
        console: Where to write; None is stderr.
        clock: Gives seconds that only go up. With another than the default, lines come with reports alone.
    """

    def __init__(
        self,
        what: str,
        *,
        num_parts: int = 1,
        part: str = "part",
        is_shown: bool = True,
        console: "Console | None" = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what, self._num_parts, self._part = what, num_parts, part
        self._is_shown, self._console, self._clock = is_shown, console, clock
        self._started_s = self._last_line_s = self._part_started_s = clock()
        self._num_parts_done = 0
        self._step = Step(self._started_s, what)
        self._bars: bars.Progress | None = None
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._is_resting = False

    def __enter__(self) -> "Progress":
        """Begin."""
        if not self._is_shown:
            return self
        from rich.console import Console

        self._console = self._console or Console(stderr=True, markup=False, emoji=False)
        self._started_s = self._part_started_s = self._clock()
        self._last_line_s = self._started_s - LINE_EVERY_S + FIRST_LINE_AFTER_S
        if self._console.is_interactive or self._console.is_jupyter:
            self._start_bars(self._console)
        elif self._clock is time.monotonic:
            threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End, with a last line unless the work failed."""
        self._is_over.set()
        if self._bars is not None:
            self._bars.stop()
        elif self._is_shown and kind is None:
            with self._lock:
                elapsed_s = self._clock() - self._started_s
                if elapsed_s >= FIRST_LINE_AFTER_S:
                    self._write(f"{self._what}: done in {duration(elapsed_s)}")

    def report(self, what: str, num_done: int = 0, num_total: int | None = None, *, unit: str = "") -> None:
        """Report what is being done, and how much of it is done.

        Args:
            what: The step of the work, in words; rate and time left are those of the step.
            num_done: How much of it is done.
            num_total: How much there is to do; None or 0 if that is not known.
            unit: What is counted, such as "clips" or `BYTES`.
        """
        self._set_step(what, num_done, num_total, unit, is_resting=False)
        self._write_if_due()

    def rest(self, what: str) -> None:
        """Report that nothing is done until the next report, and what is waited for: no lines are due meanwhile."""
        self._set_step(what, 0, None, "", is_resting=True)

    def finish_part(self) -> None:
        """Count a part as done."""
        with self._lock:
            self._num_parts_done += 1
            self._part_started_s = self._clock()
            if self._bars is not None and self._num_parts > 1:
                self._bars.update(self._bars.task_ids[0], advance=1, counted=self._counted_parts())

    def _set_step(self, what: str, num_done: int, num_total: int | None, unit: str, *, is_resting: bool) -> None:
        with self._lock:
            self._is_resting = is_resting
            now_s, before = self._clock(), self._step
            self._step = step = before.then(now_s, what, num_done, num_total, unit)
            if self._bars is not None:
                # A new step has a new bar, with a clock of its own.
                if step.started_s != before.started_s or step.what != before.what:
                    self._bars.remove_task(self._bars.task_ids[-1])
                    self._bars.add_task(self._fitting(what), counted="")
                counted = step.counted(now_s, is_short=True)
                total = step.num_total or None
                self._bars.update(self._bars.task_ids[-1], total=total, completed=num_done, counted=counted)

    def _start_bars(self, console: "Console") -> None:
        """Draw the bar of the step, below that of the parts if there are several."""
        from rich import progress as bars

        columns = (
            bars.TextColumn("{task.description}", markup=False),
            bars.BarColumn(_BAR_WIDTH),
            bars.TextColumn("{task.fields[counted]}", markup=False),
            bars.TimeElapsedColumn(),
        )
        # What else is printed goes through the bars' console, but only if that is the same terminal.
        is_same = sys.stdout.isatty() or console.is_jupyter
        self._bars = bars.Progress(*columns, console=console, transient=True, redirect_stdout=is_same)
        if self._num_parts > 1:
            self._bars.add_task(self._what, total=self._num_parts, counted=self._counted_parts())
        self._bars.add_task("" if self._num_parts > 1 else self._what, total=None, counted="")
        self._bars.start()

    def _fitting(self, what: str) -> str:
        """Shorten words, so that bar and numbers are in the same line."""
        width = self._console.width if self._console is not None else 0
        return shortened(what, max(_LEAST_WIDTH, width - _BAR_WIDTH - _NUMBERS_WIDTH))

    def _counted_parts(self) -> str:
        return f"{self._num_parts_done} of {self._num_parts}"

    def _beat(self) -> None:
        while not self._is_over.wait(HEARTBEAT_S):
            self._write_if_due()

    def _write_if_due(self) -> None:
        with self._lock:
            now_s = self._clock()
            is_silent = not self._is_shown or self._bars is not None or self._is_resting or self._is_over.is_set()
            if not is_silent and now_s - self._last_line_s >= LINE_EVERY_S:
                self._last_line_s = now_s
                self._write(self._line(now_s))

    def _line(self, now_s: float) -> str:
        line = self._step.line(now_s)
        if self._num_parts == 1:
            return line
        left = ""
        if self._num_parts_done:
            per_part_s = (self._part_started_s - self._started_s) / self._num_parts_done
            in_part_s = now_s - self._part_started_s
            if in_part_s <= per_part_s:  # a part that takes longer than those before says nothing about the rest
                left_s = per_part_s * (self._num_parts - self._num_parts_done) - in_part_s
                left = f" (about {duration(left_s)} left in all)"
        number = min(self._num_parts_done + 1, self._num_parts)
        return f"{self._part} {number} of {self._num_parts}{left}, {line}"

    def _write(self, line: str) -> None:
        assert self._console is not None
        write_line(line, self._console)


@dataclass
class Step:
    """A step of the work, and how far it is; what `Progress` and the display of training write lines from.

    Attributes:
        started_s: Time at which it began.
        what: The step in words.
        num_done: How much of it is done.
        num_total: How much there is to do; None or 0 if that is not known.
        unit: What is counted; "" if the numbers mean nothing to a reader.
        num_at_start: What was done when it began, such as by a run that was stopped before.
    """

    started_s: float
    what: str = ""
    num_done: int = 0
    num_total: int | None = None
    unit: str = ""
    num_at_start: int = 0

    def then(self, now_s: float, what: str, num_done: int, num_total: int | None, unit: str) -> "Step":
        """Move on to a new number or a new step."""
        if (what, unit) != (self.what, self.unit) or num_done < self.num_done:
            return Step(now_s, what, num_done, num_total, unit, num_at_start=num_done)
        return replace(self, num_done=num_done, num_total=num_total)

    def line(self, now_s: float) -> str:
        """All of it in words."""
        elapsed_s = now_s - self.started_s
        amount = self.counted(now_s) or (f"for {duration(elapsed_s)}" if elapsed_s >= 1 else "")
        return f"{self.what}: {amount}" if amount else self.what

    def per_s(self, now_s: float) -> float:
        """How much is done per second; 0 before anything is."""
        elapsed_s = now_s - self.started_s
        return (self.num_done - self.num_at_start) / elapsed_s if elapsed_s > 0 else 0.0

    def counted(self, now_s: float, *, is_short: bool = False) -> str:
        """Numbers, rate and time left; "" if nothing is counted, or just one thing."""
        if self.num_total == 1 or not (self.num_done or self.num_total):
            return ""
        parts = [_amount(self.num_done, "" if self.num_total and self.unit != BYTES else self.unit)]
        if self.num_total:
            parts[0] += f" of {_amount(self.num_total, self.unit)}"
            parts[0] += "" if is_short else f" ({100 * self.num_done // self.num_total} %)"
        rate = self.per_s(now_s)
        if rate > 0 and self.unit and not is_short:
            parts.append(f"{_rate(rate, self.unit)}/s")
        if rate > 0 and self.num_total and self.num_done < self.num_total:
            parts.append(f"about {duration((self.num_total - self.num_done) / rate)} left")
        return ", ".join(parts)


def write_line(line: str, console: "Console") -> None:
    """Write a line of a log, after the time of day."""
    console.print(f"{time.strftime('%H:%M:%S')} {line}", soft_wrap=True, markup=False, emoji=False, highlight=False)


def duration(seconds: float | None) -> str:
    """Write a duration as "45 s", "12 min", "3 h 05 min" or "2 d 04 h"; "?" for None."""
    if seconds is None:
        return "?"
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    if minutes < 100:
        return f"{minutes} min"
    hours = round(seconds / 3600)
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{hours // 24} d {hours % 24:02d} h"


def _amount(number: float, unit: str) -> str:
    if unit == BYTES:
        return f"{number / 1e6:.1f} MB"
    return f"{number:,.0f} {unit}".replace(",", " ").rstrip()


def _rate(per_s: float, unit: str) -> str:
    if unit == BYTES or per_s >= 10:
        return _amount(per_s, unit)
    return f"{per_s:.1f} {unit}"
