"""Folders of training checkpoints: which files there are, whether they are whole, in which order they were trained."""

import hashlib
import shutil
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from evaluate.features.fingerprint import content_key
from evaluate.options import CHECKPOINT_PATTERN
from networks.weights.checkpoint import NETWORK_KEY, PREFIX, is_checkpoint
from networks.weights.strict import CheckpointError
from networks.weights.tensor_files import read_tensor_file

CHECKPOINTS_FOLDER = "checkpoints"
"""Where a run directory keeps its checkpoints."""
CONFIG_FILE = "config.yaml"
"""What training writes into a run directory before its first checkpoint."""
DIVERGED_FILE = "non_finite.ckpt"
"""Where training keeps the state that led to a loss that is not finite: to be looked at, not one of the run's points.
"""
_LATER_NAMES = ("best", "last")
"""Beginnings of names of copies: of equal checkpoints, the one that keeps its name goes first."""


class IncompleteError(CheckpointError):
    """A checkpoint of which not all is there: it is being written, or damaged."""


class CheckpointFile(NamedTuple):
    """A file as it was found; when it is written again, it is another.

    Attributes:
        path: Where it is.
        size: Bytes.
        modified_ns: When it was written last.
    """

    path: Path
    size: int
    modified_ns: int


class Content(NamedTuple):
    """What is in a checkpoint, as far as scores depend on it.

    Attributes:
        run: Name of the run that saved it.
        step: Optimiser steps done.
        key: Hash of the network's description and weights.
    """

    run: str
    step: int
    key: str


def folder_of_checkpoints(run_dir: Path) -> Path:
    """Find where checkpoints are.

    Args:
        run_dir: A run directory, or a folder of checkpoints itself.

    Returns:
        The folder in it, or itself.
    """
    inside = run_dir / CHECKPOINTS_FOLDER
    return inside if inside.is_dir() else run_dir


def run_dir_of(folder: Path) -> Path:
    """Find the run directory where the folder of its checkpoints may have been given in its place.

    Args:
        folder: A run directory, its folder of checkpoints, or any other folder.

    Returns:
        The run directory; a folder that is not in one, itself.
    """
    is_inside = folder.name == CHECKPOINTS_FOLDER and (folder.parent / CONFIG_FILE).is_file()
    return folder.parent if is_inside else folder


def list_checkpoints(folder: Path, pattern: str = CHECKPOINT_PATTERN) -> list[CheckpointFile]:
    """List the checkpoints in a folder, the first written first, and after them the copies (best, last).

    That of a loss that was not finite is left out, unless the pattern is its name.

    Args:
        folder: Where they are; none where it does not exist.
        pattern: Which names, with * and ?.

    Returns:
        Files that are there; hidden ones, which are being written, are left out.
    """
    found = []
    for path in folder.glob(pattern):
        try:
            is_left_out = path.name.startswith(".") or (path.name == DIVERGED_FILE and pattern != DIVERGED_FILE)
            if not is_left_out and path.is_file():
                status = path.stat()
                found.append(CheckpointFile(path, status.st_size, status.st_mtime_ns))
        except FileNotFoundError:  # removed meanwhile
            continue
    return sorted(found, key=lambda file: (_is_copy(file.path), file.modified_ns, file.path.name))


def name_order(path: Path) -> tuple[int, str]:
    """Key that sorts names: those of copies last."""
    return int(_is_copy(path)), path.name


def _is_copy(path: Path) -> bool:
    return path.name.startswith(_LATER_NAMES)


def copy_whole(path: Path, target: Path) -> None:
    """Copy a checkpoint and make sure that all of it has come.

    The copy stays as it is when training replaces or removes the file. Checkpoints are zip archives: the list of what
    is in them comes last, and every piece has a checksum, so that none that is half written passes.

    Args:
        path: The checkpoint.
        target: Where the copy goes.

    Raises:
        IncompleteError: Not all of it is there.
        OSError: It cannot be read (any more), or the copy cannot be written.
    """
    shutil.copyfile(path, target)
    try:
        with zipfile.ZipFile(target) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError) as error:
        raise IncompleteError(f"{path}: not all of the checkpoint is there: {error}") from error
    if damaged is not None:
        raise IncompleteError(f"{path}: the checkpoint is damaged or being written: {damaged} is not as it was saved")


def read_content(path: Path) -> Content:
    """Find out what a checkpoint holds, without building its network.

    Args:
        path: The checkpoint.

    Returns:
        What scores depend on.

    Raises:
        CheckpointError: It is no checkpoint of this project, or damaged.
        FileNotFoundError: It is not there.
    """
    checkpoint: Any = read_tensor_file(path)
    if not is_checkpoint(checkpoint):
        raise CheckpointError(f"{path}: expected a checkpoint saved by `python -m train fit`")
    saved = checkpoint[NETWORK_KEY]
    digest = hashlib.sha256(content_key([saved["network"]]).encode())
    for name, tensor in sorted(checkpoint["state_dict"].items()):
        if name.startswith(PREFIX):
            digest.update(content_key([name, str(tensor.dtype), list(tensor.shape)]).encode())
            digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return Content(str(saved["run"]), int(checkpoint["global_step"]), digest.hexdigest())


def in_training_order(paths: Sequence[Path]) -> list[Path]:
    """Put checkpoints in order of steps; of several with the same step and content, one stays.

    Args:
        paths: Checkpoints, as of one folder.

    Returns:
        Each network once, as "step-0000040.ckpt" rather than its copies "best-..." and "last"; last the files that
        cannot be read, of which whoever scores them will say why.
    """
    first: dict[Content, Path] = {}
    unread = []
    for path in sorted(paths, key=name_order):
        try:
            first.setdefault(read_content(path), path)
        except (CheckpointError, OSError):
            unread.append(path)
    by_step = sorted(first.items(), key=lambda item: (item[0].run, item[0].step))
    return [path for _, path in by_step] + unread
