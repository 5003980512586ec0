"""Checks that installed packages work together: torchaudio with torch, and our `evaluate` with another of this name.

Imports the standard library alone, so that every package and every command can use it.
"""

import importlib
import importlib.util
import json
import sys
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from types import ModuleType

PROJECT = "cochlearn"
"""Name of this project's distribution."""

_PACKAGES = Path(__file__).resolve().parents[1]
# In `evaluate/__init__.py` of every release of this project, and of no other.
_OWN_EVALUATE = "stage_activations"

# torchaudio 2.11.0 needs the CUDA release of torch 2.11 to 2.14; 2.11.1 needs a function that torch has from 2.13 on.
_FIRST_TORCH_OF_NEWER_TORCHAUDIO = (2, 13)
_TORCHAUDIO_OF_OLDER_TORCH = "2.11.0"


class InstallationError(ImportError):
    """A package is missing, does not load or hides another. The message names the command that repairs it."""


def load_torchaudio() -> ModuleType:
    """Import torchaudio.

    Returns:
        The package.

    Raises:
        InstallationError: If it is not installed, or does not load with the installed torch.
    """
    try:
        return importlib.import_module("torchaudio")
    except Exception as error:  # an incompatible library fails in many ways
        raise InstallationError(_torchaudio_message(error)) from error


def _torchaudio_message(error: Exception) -> str:
    import torch

    installed = _version("torchaudio")
    mend = _mend_torchaudio(torch, installed)
    if installed is None:
        return f"this needs torchaudio, which is not installed: {mend}"
    return f"torchaudio {installed} does not load with torch {torch.__version__}: {mend} ({_reason(error)})"


def _mend_torchaudio(torch: ModuleType, installed: str | None) -> str:
    """Find the command that installs a compatible pair."""
    if sys.platform != "linux" or torch.version.cuda is not None:
        release = tuple(int(part) for part in torch.__version__.split(".")[:2])
        if release < _FIRST_TORCH_OF_NEWER_TORCHAUDIO:
            if installed != _TORCHAUDIO_OF_OLDER_TORCH:
                return f"`pip install --no-deps torchaudio=={_TORCHAUDIO_OF_OLDER_TORCH}`"
        elif installed in (None, _TORCHAUDIO_OF_OLDER_TORCH):
            return "`pip install --no-deps --upgrade torchaudio`"
    # Builds without CUDA, or for another release of CUDA, come from their own package index.
    return "`pip install --upgrade --force-reinstall torch torchaudio`, both from the index that this torch came from"


def _reason(error: BaseException) -> str:
    """First line of the original error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def check_evaluate() -> None:
    """Check that `evaluate` is the package of this project; Hugging Face has one of the same name.

    If both are installed in one environment, the later one replaces files of the earlier one. Nothing is imported.

    Raises:
        InstallationError: If another package is found, or files of ours were replaced or removed.
    """
    try:
        spec = importlib.util.find_spec("evaluate")
    except ValueError:  # a module without a spec, as in an interactive session
        return
    found = Path(spec.origin) if spec is not None and spec.origin else None
    if found is not None and _is_own(found):
        return
    own = _PACKAGES / "evaluate" / "__init__.py"
    mends = []
    if _version("evaluate") is not None:
        mends.append("pip uninstall --yes evaluate")
    if not _is_own(own):
        mends.append(f"pip install --force-reinstall --no-deps {_installed_from()}")
    if mends:
        mend = f"`{' && '.join(mends)}` (the two cannot share an environment)"
    else:
        rename = f"rename {found.parent if found else 'it'}"
        mend = f"use the command `{PROJECT}` in place of `python -m`, {rename}, or start from another folder"
    what = found or (own.parent if spec is not None else "nothing")
    raise InstallationError(f"the package `evaluate` of {PROJECT} is hidden by another or damaged ({what}): {mend}")


def _is_own(init: Path) -> bool:
    try:
        return _OWN_EVALUATE in init.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _installed_from() -> str:
    """Source that pip installed this project from, as an argument of `pip install`."""
    try:
        origin = json.loads(distribution(PROJECT).read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return PROJECT
    url = origin.get("url", PROJECT)
    return f"--editable {url}" if origin.get("dir_info", {}).get("editable") else url


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
