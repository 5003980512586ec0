"""Brain scores during training."""

from typing import TYPE_CHECKING

from networks.lazy import lazy_names

if TYPE_CHECKING:
    from evaluate.callback.callback import BrainScoreCallback

__all__ = ["BrainScoreCallback"]

_HOMES = {"BrainScoreCallback": "evaluate.callback.callback"}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
