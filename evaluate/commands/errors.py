"""Errors of the user's: told in one line."""

import os
from pathlib import Path

import torch

from datamodules.audio import AudioError
from evaluate.activations import StageError
from evaluate.benchmarks import BenchmarkError
from evaluate.table import TableError
from networks import CheckpointError
from networks.sources import SourceError


class CommandError(ValueError):
    """Something the user asked for cannot be done; the message says what and why."""


USER_ERRORS = (CommandError, BenchmarkError, StageError, AudioError, TableError, CheckpointError, SourceError, OSError)


def check_out(folder: Path) -> None:
    """See that a folder can be written, before any work; nothing is made.

    Args:
        folder: Where results go; it need not exist.

    Raises:
        CommandError: It is a file, or cannot be made or written.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise CommandError(f"results go to a folder, {existing} is a file: choose another --out")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise CommandError(f"{existing} cannot be written: choose another --out")


def find_device(name: str | None) -> torch.device:
    """Find the device asked for, or the best one there is.

    Args:
        name: As "cpu", "cuda" or "cuda:1"; None for a GPU if there is one.

    Returns:
        The device; it is there.

    Raises:
        CommandError: No such device here.
    """
    has_gpu = torch.cuda.is_available()
    try:
        device = torch.device(name or ("cuda" if has_gpu else "cpu"))
    except RuntimeError as error:
        raise CommandError(f"unknown device {name!r}: expected cpu, cuda or cuda:NUMBER") from error
    if device.type not in ("cpu", "cuda"):
        raise CommandError(f"cannot compute on {name!r}: expected cpu, cuda or cuda:NUMBER")
    if device.type == "cuda" and not (has_gpu and (device.index or 0) < torch.cuda.device_count()):
        raise CommandError(f"there is no device {name!r} here: PyTorch sees {torch.cuda.device_count()} GPUs")
    return device
