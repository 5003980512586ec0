"""What a checkpoint says without its tensors, which stay on the disk."""

from pathlib import Path
from typing import Any


def peek(checkpoint: Path) -> dict[str, Any] | None:
    """Read a checkpoint of a run, whose tensors are only read when they are used.

    Args:
        checkpoint: The file.

    Returns:
        Its content; None if it is damaged or no checkpoint of a run: loading it will report what is wrong.
    """
    import torch

    try:
        saved = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    except Exception:  # damaged files raise errors of any type
        return None
    return saved if isinstance(saved, dict) and "global_step" in saved else None
