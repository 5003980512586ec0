"""Objectives: what a network learns without labels, alone or together with tasks."""

from typing import TYPE_CHECKING

from networks.lazy import lazy_names

if TYPE_CHECKING:
    from train.learning.objectives.contrastive import Contrastive
    from train.learning.objectives.masked import MaskedPatches
    from train.learning.objectives.objective import Heard, Objective

__all__ = ["Contrastive", "Heard", "MaskedPatches", "Objective"]

_HOMES = {
    "Contrastive": "train.learning.objectives.contrastive",
    "Heard": "train.learning.objectives.objective",
    "MaskedPatches": "train.learning.objectives.masked",
    "Objective": "train.learning.objectives.objective",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
