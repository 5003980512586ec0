"""A file that the first of several processes writes, on every file system that can create files.

Stands on the standard library alone: the measured speeds of front ends and the ID of a run are kept this way.
"""

import os
import secrets
import time
from pathlib import Path

FINISHED_WITHIN_S = 2.0
"""An empty file that is older was left by a process that was killed as it wrote."""
_RETRY_S = 0.02


def write_once(file: Path, text: str) -> None:
    """Write a complete file unless it exists: of several processes, the first one wins.

    Args:
        file: File to write; missing folders are made. When the function returns, it is complete.
        text: What to write, not empty.

    Raises:
        OSError: The folder cannot be written to.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    give_up_s = time.monotonic() + FINISHED_WITHIN_S
    while not _is_complete(file):
        if _is_written_first(file, text):
            return
        if time.monotonic() > give_up_s:
            file.unlink(missing_ok=True)
            give_up_s = time.monotonic() + FINISHED_WITHIN_S
        time.sleep(_RETRY_S)


def _is_complete(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:
        return False


def _is_written_first(file: Path, text: str) -> bool:
    """Write the file if no other process has created it; replacing it would let the last process win."""
    made = file.with_name(f".{file.name}.{secrets.token_hex(8)}.partial")
    try:
        made.write_text(text, encoding="utf-8")
        os.link(made, file)  # never incomplete, not even for a moment
    except FileExistsError:
        return False
    except OSError:  # no hard links, such as on exFAT, in a mounted cloud drive and in some containers
        return _is_created(file, text)
    finally:
        made.unlink(missing_ok=True)
    return True


def _is_created(file: Path, text: str) -> bool:
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        return False
    return True
