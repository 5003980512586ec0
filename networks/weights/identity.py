"""The identity of a network: the columns of a score table that describe its origin."""

from dataclasses import dataclass
from typing import Literal

NetworkKind = Literal["trained", "untrained", "permuted", "baseline", "external"]
"""Trained by this project or by the authors of the paper; a control with initial or with permuted weights; a model
without training; a network of another package or from a user's function."""


@dataclass(frozen=True, kw_only=True)
class NetworkIdentity:
    """The origin of a network.

    Attributes:
        run: Name of the training run. A network without a run has a readable name, such as "SpectroTemporal" or
            "words/last (permuted, seed 0)".
        checkpoint: File of the checkpoint or full name of the network; empty for a network in memory.
        step: Number of optimiser steps of its training, 0 if untrained or unknown.
        epoch: Number of epochs of its training.
        kind: Kind of network.
        parent: For a control, its run or architecture; otherwise empty.
        seed: For a control, the seed of its weights; otherwise None.
    """

    run: str = ""
    checkpoint: str = ""
    step: int = 0
    epoch: int = 0
    kind: NetworkKind = "trained"
    parent: str = ""
    seed: int | None = None
