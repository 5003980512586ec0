"""Folders of training checkpoints: which files exist, whether they are complete, and their order in training."""

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
from networks.commands.program import program
from networks.weights.checkpoint import NETWORK_KEY, PREFIX, is_checkpoint
from networks.weights.strict import CheckpointError
from networks.weights.tensor_files import read_tensor_file

DIVERGED_FILE = "non_finite.ckpt"
"""State of training that led to a loss that is not finite, saved for inspection: not a checkpoint of the run."""
_LATER_NAMES = ("best", "last")
"""Prefixes of names of copies: of equal checkpoints, one with another name comes first."""


class IncompleteError(CheckpointError):
    """A checkpoint that is incomplete: it is being written, or damaged."""


class CheckpointFile(NamedTuple):
    """One version of a file; after it is written again, it is another version.

    Attributes:
        path: Path of the file.
        size: Size in bytes.
        modified_ns: Time of the last modification, in nanoseconds.
    """

    path: Path
    size: int
    modified_ns: int


class Content(NamedTuple):
    """The content of a checkpoint that scores depend on.

    Attributes:
        run: Name of the run that saved it.
        step: Optimiser step.
        key: Hash of the network's description and weights.
    """

    run: str
    step: int
    key: str


def list_checkpoints(folder: Path, pattern: str = CHECKPOINT_PATTERN) -> list[CheckpointFile]:
    """List the checkpoints in a folder by time of modification, followed by the copies (best, last).

    Excludes `DIVERGED_FILE`, unless the pattern is its name, and hidden files, which are still being written.

    Args:
        folder: Folder to list; it need not exist.
        pattern: File names to list, with `*` and `?`.

    Returns:
        The files found.
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
    """Sort key of file names that puts those of copies last."""
    return int(_is_copy(path)), path.name


def _is_copy(path: Path) -> bool:
    return path.name.startswith(_LATER_NAMES)


def copy_whole(path: Path, target: Path) -> None:
    """Copy a checkpoint and check that it is complete.

    The copy does not change if training replaces or removes the file. Checkpoints are zip archives, which end with
    their table of contents and have a checksum of every entry: this detects files that are partly written.

    Args:
        path: The checkpoint.
        target: Path of the copy.

    Raises:
        IncompleteError: The checkpoint is incomplete or damaged.
        OSError: It cannot be read (any more), or the copy cannot be written.
    """
    shutil.copyfile(path, target)
    try:
        with zipfile.ZipFile(target) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError) as error:
        raise IncompleteError(f"{path}: the checkpoint is incomplete: {error}") from error
    if damaged is not None:
        raise IncompleteError(
            f"{path}: the checkpoint is damaged or still being written: the checksum of {damaged} differs"
        )


def read_content(path: Path) -> Content:
    """Read the content of a checkpoint without building its network.

    Args:
        path: The checkpoint.

    Returns:
        The content that scores depend on.

    Raises:
        CheckpointError: It is not a checkpoint of this project, or is damaged.
        FileNotFoundError: It does not exist.
    """
    checkpoint: Any = read_tensor_file(path)
    if not is_checkpoint(checkpoint):
        raise CheckpointError(f"{path}: expected a checkpoint saved by `{program('train', 'fit')}`")
    saved = checkpoint[NETWORK_KEY]
    digest = hashlib.sha256(content_key([saved["network"]]).encode())
    for name, tensor in sorted(checkpoint["state_dict"].items()):
        if name.startswith(PREFIX):
            digest.update(content_key([name, str(tensor.dtype), list(tensor.shape)]).encode())
            digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return Content(str(saved["run"]), int(checkpoint["global_step"]), digest.hexdigest())


def in_training_order(paths: Sequence[Path]) -> list[Path]:
    """Sort checkpoints by run and step, keeping one of several with the same step and content.

    Args:
        paths: Checkpoints, such as those of one folder.

    Returns:
        Each network once, as "step-0000040.ckpt" rather than its copies "best-..." and "last". Files that cannot be
        read come last: scoring them will report the error.
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
