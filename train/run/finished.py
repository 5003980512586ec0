"""A run that is complete and is started again: nothing is left to do, which is found before data are opened."""

from pathlib import Path

from networks.weights.run_layout import SUMMARY_FILE
from train.run.checkpoints.peeking import peek
from train.run.lightning_internals import saved_passes


class FinishedError(Exception):
    """The run is complete; the message says so, and how to train longer."""


def check_unfinished(
    run_dir: str | Path, checkpoint: Path, *, max_epochs: int | None, max_steps: int, is_scheduled: bool
) -> None:
    """Check that a run that resumes has something left to train.

    A run counts as complete if its checkpoint has reached a limit and its results are written.

    Args:
        run_dir: Run directory.
        checkpoint: Checkpoint that it resumes from.
        max_epochs: Epochs to train; None if that is not known, or not limited.
        max_steps: Steps to train; -1 is no limit.
        is_scheduled: Whether the schedule sets the limit, rather than the trainer.

    Raises:
        FinishedError: Nothing is left.
    """
    summary = Path(run_dir) / SUMMARY_FILE
    if not summary.is_file() or summary.stat().st_mtime < checkpoint.stat().st_mtime:
        return  # it was killed before its end
    saved = peek(checkpoint)
    if saved is None or "loops" not in saved:
        return  # loading it will report what is wrong
    if 0 <= max_steps <= int(saved["global_step"]):
        name, limit = "max_steps", max_steps
    elif max_epochs is not None and 0 <= max_epochs <= saved_passes(saved):
        name, limit = "max_epochs", max_epochs
    else:
        return
    option = "--schedule.length" if is_scheduled else f"--trainer.{name}"
    raise FinishedError(
        f"{run_dir} is complete ({name}={limit}, step {saved['global_step']}): nothing is left to train. Results: "
        f"{summary}.\nTo train longer, repeat this command with a larger {option}."
    )
