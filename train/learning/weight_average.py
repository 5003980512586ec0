"""The exponential moving average of weights, which is often better than the weights themselves."""

import copy

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from networks import AuditoryNetwork
from train.errors import TrainingError
from train.learning.objectives.objective import Heard


class AveragedWeights(nn.Module):
    """A copy of a network and its objectives with averaged weights.

    After step `n`, `average <- d average + (1 - d) weights`, with `d = min(decay, (1 + n) / (10 + n))`: smaller at
    first, so that the average forgets the initial weights (as in TensorFlow's ExponentialMovingAverage). Running
    statistics of batch normalisation are averaged as well; counts are copied.

    Args:
        network: The network. A front end without parameters is shared, as its tables take memory.
        objectives: The objectives.
        decay: Largest `d`, at least 0 and below 1.

    Raises:
        TrainingError: The decay is out of range.
    """

    def __init__(self, network: AuditoryNetwork, objectives: nn.ModuleDict, *, decay: float) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise TrainingError(f"ema_decay must be at least 0 and below 1, such as 0.999, got {decay}")
        self.decay = decay
        self.shares_front_end = not any(True for _ in network.front_end.parameters())
        shared = {id(network.front_end): network.front_end} if self.shares_front_end else {}
        self.network: AuditoryNetwork = copy.deepcopy(network, shared)
        self.objectives: nn.ModuleDict = copy.deepcopy(objectives)
        self.requires_grad_(False)

    def update(self, network: AuditoryNetwork, objectives: nn.ModuleDict, *, num_steps: int) -> None:
        """Move the average towards the current weights.

        Args:
            network: The network that is trained.
            objectives: Its objectives.
            num_steps: Optimiser steps so far, `n`.
        """
        self._move(network, objectives, min(self.decay, (1 + num_steps) / (10 + num_steps)))

    def restart(self, network: AuditoryNetwork, objectives: nn.ModuleDict) -> None:
        """Start from the current weights."""
        self._move(network, objectives, 0.0)

    def heard(self, heard: Heard) -> Heard:
        """What the averaged network makes of a batch that the network has heard."""
        cochleagram = heard.cochleagram if self.shares_front_end else None
        return Heard(self.network, heard.batch, seed=heard.seed, cochleagram=cochleagram)

    @torch.no_grad()
    def _move(self, network: AuditoryNetwork, objectives: nn.ModuleDict, decay: float) -> None:
        current = [*_tensors(network), *_tensors(objectives)]
        averaged = [*_tensors(self.network), *_tensors(self.objectives)]
        pairs = [(old, new) for old, new in zip(averaged, current, strict=True) if old is not new]
        means = [pair for pair in pairs if pair[0].is_floating_point()]
        if means:
            old, new = zip(*means, strict=True)
            get_ema_multi_avg_fn(decay)(list(old), list(new), 0)
        for old_count, count in pairs:
            if not old_count.is_floating_point():
                old_count.copy_(count)


def _tensors(module: nn.Module) -> list[torch.Tensor]:
    return [*module.parameters(), *module.buffers()]
