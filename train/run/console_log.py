"""`RUN_DIR/log.txt`: what a run showed on the console, as plain text.

Output is copied as it is written, each line to the file at once, so that a run that is killed loses none. Before
training starts, lines wait in memory: a run that cannot start leaves no file.
"""

import logging
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from networks.commands.arguments import printable

_SEQUENCE = r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])"
"""Control sequences of terminals: cursor and colours (CSI), links and titles (OSC), others of two characters."""
_PIECE = re.compile(rf"{_SEQUENCE}|[\n\r\x1b]|[^\n\r\x1b]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LINES_UP = re.compile(r"\x1b\[(\d*)A")
_ERASE_LINE, _HIDE_CURSOR, _SHOW_CURSOR = "\x1b[2K", "\x1b[?25l", "\x1b[?25h"


class PlainLines:
    """Turns what is sent to a console into the lines of text that stay there.

    Progress bars hide the cursor, and move it up to draw over what they drew before. Lines that may still be drawn over
    wait until that is known.
    """

    def __init__(self) -> None:
        self._lines = [""]
        self._is_drawing = self._is_returned = False

    def add(self, text: str) -> list[str]:
        """Add text; returns the lines that are final now.

        Args:
            text: As it is written to the console.
        """
        top = len(self._lines) if self._is_drawing else None  # the first line that was drawn over
        for piece in _PIECE.findall(text):
            self._add_piece(piece)
            if top is not None and piece == _ERASE_LINE:
                top = min(top, len(self._lines) - 1)
        num_final = len(self._lines) - 1
        if self._is_drawing:
            num_final = top if top is not None and _ERASE_LINE in text else 0
        final, self._lines = self._lines[:num_final], self._lines[num_final:]
        return [line.rstrip() for line in final]

    def finish(self) -> list[str]:
        """Return the lines that are left."""
        left, self._lines = self._lines, [""]
        return [line.rstrip() for line in left if line.strip()]

    def _add_piece(self, piece: str) -> None:
        if piece == "\n":
            self._lines.append("")
        elif up := _LINES_UP.fullmatch(piece):
            del self._lines[max(1, len(self._lines) - int(up[1] or 1)) :]
        elif piece == _ERASE_LINE:
            self._lines[-1] = ""
        elif piece in (_HIDE_CURSOR, _SHOW_CURSOR):
            self._is_drawing = piece == _HIDE_CURSOR
        elif not piece.startswith(("\x1b", "\r")):
            # Text after a carriage return is drawn over the line.
            self._lines[-1] = ("" if self._is_returned else self._lines[-1]) + _CONTROL.sub("", piece)
        self._is_returned = piece == "\r" or (self._is_returned and piece.startswith("\x1b"))


class ConsoleLog:
    """Copies what is written to stdout and stderr; a context manager around the run.

    An exception that ends the run is added with its traceback.

    Args:
        is_recording: Whether to copy anything; of several processes, the first one does.
    """

    def __init__(self, *, is_recording: bool = True) -> None:
        self._is_recording = is_recording
        self._waiting: list[str] = []
        self._file: int | None = None
        self._lock = threading.RLock()
        self._copies: list[_Copied] = []
        self._handlers: list[tuple[logging.StreamHandler[Any], Any]] = []

    def __enter__(self) -> Self:
        """Begin to copy."""
        if self._is_recording:
            out, err = _Copied(sys.stdout, self), _Copied(sys.stderr, self)
            self._copies = [out, err]
            for handler in _handlers():  # they have kept the stream of when they were made
                copied = next((each for each in self._copies if each.original is handler.stream), None)
                if copied is not None:
                    self._handlers.append((handler, handler.setStream(copied)))
            sys.stdout, sys.stderr = out, err
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left, and end."""
        if not self._is_recording:
            return
        sys.stdout, sys.stderr = (copied.original for copied in self._copies)
        for handler, stream in self._handlers:
            handler.setStream(stream)
        self.add(line for copied in self._copies for line in copied.lines.finish())
        if isinstance(error, Exception):
            self.add("".join(traceback.format_exception(error)).splitlines())
        with self._lock:
            if self._file is not None:
                os.close(self._file)
            self._file, self._is_recording = None, False

    def start(self, path: Path, command: str) -> None:
        """Write to a file from now on, after what is in it.

        Args:
            path: The file.
            command: The command that is running, for the heading.
        """
        if not self._is_recording or self._file is not None:
            return
        with self._lock:
            try:
                self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
                is_new = os.fstat(self._file).st_size == 0
            except OSError as error:
                self._give_up(error)
                return
            now = time.strftime("%Y-%m-%d %H:%M:%S %z")
            waiting, self._waiting = self._waiting, []
            self.add([*([] if is_new else [""]), f"=== {now}: {command}", *waiting])

    def note(self, line: str) -> None:
        """Add a line that the console does not show, after the time of day."""
        self.add([f"{time.strftime('%H:%M:%S')} {line}"])

    def note_now(self, text: str) -> None:
        """Add text from a signal handler, which may have interrupted any other method."""
        if self._file is not None and self._is_recording:
            os.write(self._file, f"{text.strip()}\n".encode())

    def add(self, lines: Iterable[str]) -> None:
        """Add whole lines; a file that cannot be written ends the log, not the run."""
        with self._lock:
            new = list(lines)
            if not new or not self._is_recording:
                return
            if self._file is None:
                self._waiting += new
                return
            try:
                os.write(self._file, printable("".join(f"{line}\n" for line in new)).encode())
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._is_recording, self._waiting = False, []
        logging.getLogger(__name__).warning("the log of the run ends here: %s", error.strerror)


class _Copied:
    """A stream whose text is copied to a log."""

    def __init__(self, original: TextIO, log: ConsoleLog) -> None:
        self.original = original
        self.lines = PlainLines()
        self._log = log
        self._process = os.getpid()

    def write(self, text: str) -> int:
        """Write text to the stream and its final lines to the log."""
        written = self.original.write(text)
        if os.getpid() == self._process:  # a process that loads data only writes to the stream
            with self._log._lock:
                self._log.add(self.lines.add(text))
        return written

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __iter__(self) -> Iterator[str]:
        return iter(self.original)

    def __getattr__(self, name: str) -> Any:
        """All else is that of the stream."""
        return getattr(self.original, name)


def _handlers() -> list["logging.StreamHandler[Any]"]:
    """Handlers of all loggers that write to a stream."""
    loggers = [logging.getLogger(), *map(logging.getLogger, list(logging.root.manager.loggerDict))]
    found = {id(each): each for logger in loggers for each in logger.handlers}
    return [each for each in found.values() if isinstance(each, logging.StreamHandler)]
