"""Training: the LightningModule, its losses and metrics, and the command line."""

from typing import TYPE_CHECKING

from networks.lazy import lazy_names

if TYPE_CHECKING:
    from train.learning.module import AuditoryModule

__all__ = ["AuditoryModule"]

_HOMES = {
    "AuditoryModule": "train.learning.module",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
