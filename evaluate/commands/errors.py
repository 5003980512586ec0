"""User errors, which are reported in one line, and checks that commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from networks.commands.dispatch import CommandError

if TYPE_CHECKING:
    import torch


def user_errors() -> tuple[type[Exception], ...]:
    """Return all exception types that count as user errors. Imported lazily so that `--help` stays fast."""
    from datamodules.audio import AudioError
    from evaluate.benchmarks import BenchmarkError
    from evaluate.features.activations import StageError
    from evaluate.metrics import MetricError
    from evaluate.scoring.table import TableError
    from networks import CheckpointError
    from networks.installation import InstallationError
    from networks.weights.source_names import SourceError

    return (
        BenchmarkError,
        MetricError,
        StageError,
        AudioError,
        TableError,
        CheckpointError,
        SourceError,
        InstallationError,
        OSError,
    )


def remark(text: str, console: Console) -> None:
    """Print a remark on something unexpected that is not an error."""
    console.print(f"remark: {text}", style="yellow", soft_wrap=True, markup=False, highlight=False)


def find_device(name: str | None) -> torch.device:
    """Find a device by name, or the best available one.

    Args:
        name: Name such as "cpu", "cuda" or "cuda:1"; None for a GPU if there is one.

    Returns:
        An existing device.

    Raises:
        CommandError: There is no such device.
    """
    import torch

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
