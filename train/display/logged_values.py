"""What a run has logged last: losses, accuracies and brain scores by name."""

from collections.abc import Mapping
from math import isnan

import pytorch_lightning as pl

from evaluate.callback.callback import BrainScoreCallback
from evaluate.callback.logged import PREFIX
from evaluate.scoring import table as t

VALIDATION_PREFIX = "val/"
"""Prefix of the names of validation values."""


def values_of(trainer: pl.Trainer) -> dict[str, float]:
    """Read all logged values, including brain scores as soon as the network is scored.

    Args:
        trainer: The trainer, outside `on_train_epoch_end`, where values are not yet gathered from all processes.

    Returns:
        Values by name.
    """
    values = {name: float(value) for name, value in trainer.callback_metrics.items()}
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    for scoring in callbacks:
        if isinstance(scoring, BrainScoreCallback):
            values |= scoring.values
    return values


def brain_scores(metrics: Mapping[str, float]) -> dict[str, float]:
    """Select the scores at the best stage.

    Args:
        metrics: Logged values by name.

    Returns:
        Scores by benchmark, without missing ones.
    """
    parts = ((name.split("/"), value) for name, value in metrics.items())
    return {
        name[1]: value
        for name, value in parts
        if len(name) == 3 and name[0] == PREFIX and name[2] == t.BEST and not isnan(value)
    }
