"""How a brain score went over a run: before the first step, at the end, and where it was highest in between."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pandas as pd


class ScoreCourse(NamedTuple):
    """The course of a score.

    Attributes:
        before: Score before the first step, of the untrained network unless the run began with other weights; NaN if
            that was not scored.
        last: Score of the last evaluation.
        best: Highest score of the trained network; NaN if only step 0 was scored.
        best_step: Its step; None without one.
    """

    before: float
    last: float
    best: float
    best_step: int | None

    @property
    def has_not_risen(self) -> bool:
        """Whether no step is above the score before training."""
        return not isnan(self.before) and not isnan(self.best) and self.best <= self.before

    def describe(self, what: str) -> str:
        """Say that no step is above the score before training."""
        return (
            f"{what}: no scored step is above the network before training ({self.before:.3f}); the best of the others "
            f"is {self.best:.3f}, at step {self.best_step}"
        )


def course_of(scores: pd.Series) -> ScoreCourse:
    """Summarise a score over training.

    Args:
        scores: At least one score by optimiser step, in their order; undefined ones (NaN) do not count.
    """
    nothing = float("nan")
    defined = scores.dropna()
    trained = defined[defined.index > 0]
    at_start = defined[defined.index == 0]
    return ScoreCourse(
        before=float(at_start.iloc[-1]) if len(at_start) else nothing,
        last=float(defined.iloc[-1]) if len(defined) else nothing,
        best=float(trained.max()) if len(trained) else nothing,
        best_step=int(trained.index[int(trained.argmax())]) if len(trained) else None,
    )
