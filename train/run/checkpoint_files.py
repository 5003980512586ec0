"""Checkpoint files that are whole at every moment, whatever happens while one is written."""

import os
import uuid
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

PARTIAL_SUFFIX = ".partial"


class CheckpointWriteError(OSError):
    """A checkpoint could not be written; those before it are whole."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place and moves it there when all of it is on the disk.

    Lightning's own writer goes through the folder for temporary files; where that is another disk, the last step is
    a copy, and a run that is killed in the middle of it leaves half a file under the final name.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Save, whole or not at all.

        Args:
            checkpoint: what to save.
            path: the file; one that is there is replaced.
            storage_options: not supported, None.

        Raises:
            CheckpointWriteError: if the file cannot be written (no space, say); the one that was there is untouched.
        """
        if storage_options is not None:
            raise TypeError("storage_options are not supported: checkpoints are files in a folder")
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}{PARTIAL_SUFFIX}")
        try:
            with partial.open("xb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        except (OSError, RuntimeError) as error:  # torch wraps what the file system says
            cause = error if isinstance(error, OSError) else error.__context__
            raise CheckpointWriteError(
                f"the checkpoint {path} could not be written ({cause or error}); the checkpoints before it are whole. "
                "Make space and go on with `--resume true`"
            ) from error
        finally:
            partial.unlink(missing_ok=True)


def remove_partial_checkpoints(folder: str | Path) -> None:
    """Remove what killed runs left half-written.

    Args:
        folder: folder of checkpoints, which need not exist; no other run writes to it.
    """
    for partial in Path(folder).glob(f".*{PARTIAL_SUFFIX}"):
        partial.unlink(missing_ok=True)
