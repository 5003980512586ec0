"""The folder of what is made once on a machine: compiled code, and which code is faster."""

import os
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """Folder of this project in the user's cache folder; the environment variable XDG_CACHE_HOME names another."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cochlearn"


def write_once(file: Path, text: str) -> None:
    """Write a whole file, unless another process has written it: the first of several has the say."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        made = Path(folder) / file.name
        made.write_text(text, encoding="utf-8")
        try:
            os.link(made, file)
        except FileExistsError:
            return
