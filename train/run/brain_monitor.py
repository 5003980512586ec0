"""Brain scores that choose checkpoints or stop training: finding a score by its name."""

import pytorch_lightning as pl

from evaluate.callback.callback import BrainScoreCallback
from evaluate.callback.logged import PREFIX
from train.errors import TrainingError


def is_brain_score(monitor: str | None) -> bool:
    """Whether a logged value is a brain score, such as "brain/NH2015comp/best"; None is no value."""
    return monitor is not None and monitor.startswith(f"{PREFIX}/")


def score_at(monitor: str, trainer: pl.Trainer) -> tuple[int, float]:
    """Look up a brain score and its step; the weights may have changed since.

    Args:
        monitor: Name of the score.
        trainer: Trainer whose callbacks are set up.

    Returns:
        Optimiser steps at the last evaluation and its score, NaN if it failed; -1 and NaN before the first one.
    """
    scoring = _find_scoring(monitor, trainer)
    return (
        (-1, float("nan")) if scoring is None else (scoring.step_of(monitor), scoring.values.get(monitor, float("nan")))
    )


def check_monitor(monitor: str, trainer: pl.Trainer, *, asked_by: str) -> None:
    """Check, before training, that a brain score exists.

    Args:
        monitor: Name of the score.
        trainer: Trainer whose callbacks are set up.
        asked_by: Who uses the score, for the message.

    Raises:
        TrainingError: It does not exist; the message lists the scores that do.
    """
    if _find_scoring(monitor, trainer) is not None:
        return
    names = [name for each in _scoring_callbacks(trainer) for name in each.score_names]
    known = f"there are {', '.join(names)}" if names else "no benchmarks are scored, see `brain.benchmarks`"
    raise TrainingError(f"{asked_by}: there is no brain score {monitor!r}; {known}")


def _find_scoring(monitor: str, trainer: pl.Trainer) -> BrainScoreCallback | None:
    return next((each for each in _scoring_callbacks(trainer) if monitor in each.score_names), None)


def _scoring_callbacks(trainer: pl.Trainer) -> list[BrainScoreCallback]:
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return [each for each in callbacks if isinstance(each, BrainScoreCallback)]
