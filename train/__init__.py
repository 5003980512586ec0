"""Training: the LightningModule, its losses and metrics, and the command line."""

from train.module import AuditoryModule

__all__ = ["AuditoryModule"]
