"""The cache folder for what is made once per machine: compiled code, and which code is faster."""

import os
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """Return the cache folder of this project; the environment variable XDG_CACHE_HOME names another parent."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cochlearn"


def write_once(file: Path, text: str) -> None:
    """Write a complete file unless it exists: of several processes, the first one wins."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        made = Path(folder) / file.name
        made.write_text(text, encoding="utf-8")
        try:
            os.link(made, file)
        except FileExistsError:
            return
