"""Choosing checkpoints and stopping by brain scores: who gives a score, and whether there is one of that name."""

import pytorch_lightning as pl

from evaluate.callback.callback import BrainScoreCallback
from evaluate.callback.logged import PREFIX
from train.errors import TrainingError


def is_brain_score(monitor: str | None) -> bool:
    """Whether a logged value is a brain score, by its name.

    Args:
        monitor: As "brain/NH2015comp/best"; None: no value.

    Returns:
        True where `BrainScoreCallback` is to give it.
    """
    return monitor is not None and monitor.startswith(f"{PREFIX}/")


def score_at(monitor: str, trainer: pl.Trainer) -> tuple[int, float]:
    """Look up a brain score and the step that it was taken at; the weights may be others by now.

    Args:
        monitor: Name of the score.
        trainer: Has its callbacks set up.

    Returns:
        Optimiser steps at the last evaluation and its score, NaN where it failed; -1 and NaN before the first.
    """
    scoring = _find_scoring(monitor, trainer)
    return (-1, float("nan")) if scoring is None else (scoring.last_step, scoring.values.get(monitor, float("nan")))


def check_monitor(monitor: str, trainer: pl.Trainer, *, asked_by: str) -> None:
    """See, before training, that there is a brain score of a name.

    Args:
        monitor: Name of the score.
        trainer: Has its callbacks set up.
        asked_by: What is to go by the score, for the message.

    Raises:
        TrainingError: There is none; the message lists those that there are.
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
