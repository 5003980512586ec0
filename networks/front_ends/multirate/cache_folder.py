"""The cache folder for what is made once per machine: compiled code, and which code is faster."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the cache folder of this project; the environment variable XDG_CACHE_HOME names another parent."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cochlearn"
