"""What a network is: the columns of a score table that say where it comes from."""

from dataclasses import dataclass
from typing import Literal

NetworkKind = Literal["trained", "untrained", "permuted", "baseline", "external"]
"""Trained by this project or by the authors of the paper; a control with initial or with permuted weights; a model that
learns nothing; a network of another package or of a user's function."""


@dataclass(frozen=True, kw_only=True)
class NetworkIdentity:
    """Where a network comes from.

    Attributes:
        run: Name of the training run. A network without one has a readable name, such as "SpectroTemporal" or
            "words/last (permuted, seed 0)".
        checkpoint: File of the checkpoint or full name of the network; empty for a network in memory.
        step: Optimiser steps that the network was trained for, 0 if untrained or unknown.
        epoch: Epochs that it was trained for.
        kind: What it is.
        parent: For a control, the run or architecture that it is a control of; otherwise empty.
        seed: For a control, the seed of its weights; otherwise None.
    """

    run: str = ""
    checkpoint: str = ""
    step: int = 0
    epoch: int = 0
    kind: NetworkKind = "trained"
    parent: str = ""
    seed: int | None = None
