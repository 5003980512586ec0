"""What a run has logged last: losses, accuracies and brain scores by name."""

from collections.abc import Mapping
from math import isnan

import pytorch_lightning as pl

from evaluate.callback.callback import BrainScoreCallback
from evaluate.callback.logged import PREFIX
from evaluate.scoring import table as t
from networks.text.short_numbers import shortest

VALIDATION_PREFIX = "val/"
"""Prefix of the names of validation values."""


def values_of(trainer: pl.Trainer) -> dict[str, float]:
    """Read all logged values, including brain scores as soon as the network is scored.

    Args:
        trainer: The trainer, outside `on_train_epoch_end`, where values are not yet gathered from all processes.

    Returns:
        Values by name.
    """
    values = {name: shortest(float(value)) for name, value in trainer.callback_metrics.items()}
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    for scoring in callbacks:
        if isinstance(scoring, BrainScoreCallback):
            values |= scoring.values
    return values


def scored_steps(trainer: pl.Trainer) -> dict[str, int]:
    """Look up the steps at which the network was scored last, by names of `brain_scores`; -1 before the first time."""
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return {
        name: scoring.step_of(f"{PREFIX}/{name}/{t.BEST}")
        for scoring in callbacks
        if isinstance(scoring, BrainScoreCallback)
        for name in brain_scores(scoring.values)
    }


def brain_scores(metrics: Mapping[str, float]) -> dict[str, float]:
    """Select the scores at the best stage.

    Args:
        metrics: Logged values by name.

    Returns:
        Scores by benchmark, without missing ones; those of metrics other than encoding by "benchmark/metric".
    """
    start, end = f"{PREFIX}/", f"/{t.BEST}"
    return {
        name.removeprefix(start).removesuffix(end): value
        for name, value in metrics.items()
        if name.startswith(start) and name.endswith(end) and not isnan(value)
    }
