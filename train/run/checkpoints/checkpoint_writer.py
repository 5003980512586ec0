"""Writing checkpoints so that each file is whole at every moment, whatever happens meanwhile."""

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from train.run.resume_command import how_to_resume
from train.run.run_directory import durable_file

PARTIAL_FILES = (".*.tmp.ckpt", ".*.partial")
"""Files that are being written; the second form is that of earlier releases."""


class CheckpointWriteError(OSError):
    """A checkpoint could not be written; those before it are whole."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint next to its place, and moves it there once all of it is on the disk.

    Lightning's own writer uses the folder for temporary files. If that is on another disk, its last step is a copy, and
    a run that is killed meanwhile leaves half a file under the final name.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Save, whole or not at all.

        Args:
            checkpoint: What to save.
            path: File to make or to replace.
            storage_options: Not supported; must be None.

        Raises:
            CheckpointWriteError: The file cannot be written, for lack of space for example. An existing one is kept.
        """
        if storage_options is not None:
            raise TypeError("storage_options are not supported: checkpoints are files in a folder")
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with durable_file(path) as file:
                torch.save(checkpoint, file)
        except (OSError, RuntimeError) as error:  # torch wraps errors of the file system
            cause = error if isinstance(error, OSError) else error.__context__
            raise CheckpointWriteError(
                f"the checkpoint {path} could not be written ({cause or error}); the checkpoints before it are whole. "
                f"Free some space, then resume with: {how_to_resume()}"
            ) from error


def remove_partial_checkpoints(folder: str | Path) -> None:
    """Remove what killed runs left half written in a folder, if it exists; no other run may write there."""
    for pattern in PARTIAL_FILES:
        for partial in Path(folder).glob(pattern):
            partial.unlink(missing_ok=True)
