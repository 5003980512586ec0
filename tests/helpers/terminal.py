"""A command in a terminal session of its own, where Ctrl-C reaches every process in the foreground."""

import fcntl
import os
import pty
import signal
import subprocess
import termios
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

LIMIT_S = 180


def _control_session() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # the terminal controls the session
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # tests in the background may ignore it


class TerminalCommand:
    """A running command.

    Args:
        command: Program and arguments.
        cwd: Working directory.
        environment: Variables in addition to those of this process.
    """

    def __init__(self, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str] | None = None) -> None:
        self._terminal, slave = pty.openpty()
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env=os.environ | dict(environment or {}),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=_control_session,
        )
        os.close(slave)
        self._shown: list[bytes] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def shown(self) -> str:
        """Everything that the terminal has shown so far."""
        return b"".join(self._shown).decode(errors="replace")

    @property
    def is_running(self) -> bool:
        """Whether the command has not ended yet."""
        return self._process.poll() is None

    def press_ctrl_c(self) -> None:
        """Let the terminal send SIGINT to all processes in the foreground."""
        os.write(self._terminal, b"\x03")

    def wait(self) -> int:
        """Exit status; a command that hangs fails the test."""
        try:
            status = self._process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            pytest.fail(f"the command hangs; it has shown:\n{self.shown}")
        self._reader.join(5)
        os.close(self._terminal)
        return status

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._terminal, 65536)
            except OSError:  # no process has the terminal open any more
                return
            if not data:
                return
            self._shown.append(data)
