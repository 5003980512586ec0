"""Choosing checkpoints and stopping by brain scores: who gives a score, and whether there is one of that name."""

import pytorch_lightning as pl

from evaluate.callback import BrainScoreCallback
from evaluate.logged import PREFIX
from train.errors import TrainingError


def is_brain_score(monitor: str | None) -> bool:
    """Whether a logged value is a brain score, by its name.

    Args:
        monitor: As "brain/NH2015comp/best"; None: no value.

    Returns:
        True where `BrainScoreCallback` is to give it.
    """
    return monitor is not None and monitor.startswith(f"{PREFIX}/")


def find_scoring(monitor: str, trainer: pl.Trainer) -> BrainScoreCallback | None:
    """Find the callback that gives a brain score.

    Args:
        monitor: Name of the score.
        trainer: Has its callbacks set up.

    Returns:
        The callback; None where none gives a score of that name.
    """
    return next((each for each in _scoring_callbacks(trainer) if monitor in each.score_names), None)


def check_monitor(monitor: str, trainer: pl.Trainer, *, asked_by: str) -> None:
    """See, before training, that there is a brain score of a name.

    Args:
        monitor: Name of the score.
        trainer: Has its callbacks set up.
        asked_by: What is to go by the score, for the message.

    Raises:
        TrainingError: There is none; the message lists those that there are.
    """
    if find_scoring(monitor, trainer) is not None:
        return
    names = [name for each in _scoring_callbacks(trainer) for name in each.score_names]
    known = f"there are {', '.join(names)}" if names else "no benchmarks are scored, see `brain.benchmarks`"
    raise TrainingError(f"{asked_by}: there is no brain score {monitor!r}; {known}")


def _scoring_callbacks(trainer: pl.Trainer) -> list[BrainScoreCallback]:
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return [each for each in callbacks if isinstance(each, BrainScoreCallback)]
