"""Random states in checkpoints, so that a run that goes on draws what it would have drawn."""

import random
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist


class RandomStates(pl.Callback):
    """Saves every rank's random states (Python, PyTorch on CPU and GPU) and restores them when training goes on.

    The data need none: their randomness is a function of seed, epoch and position. Dropout does.
    """

    def __init__(self) -> None:
        self._loaded: list[dict[str, Any]] = []

    def state_dict(self) -> dict[str, Any]:
        """States of all ranks, in tensors and plain Python; called on every rank."""
        version, numbers, gauss = random.getstate()
        state = {
            "python": [version, list(numbers), gauss],
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        }
        states = [state]
        if dist.is_available() and dist.is_initialized():
            states = [{} for _ in range(dist.get_world_size())]
            dist.all_gather_object(states, state)
        return {"ranks": states}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the states until training starts."""
        self._loaded = state_dict["ranks"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restore this rank's states, after all that is set up has drawn what it draws."""
        if trainer.global_rank < len(self._loaded):
            state = self._loaded[trainer.global_rank]
            version, numbers, gauss = state["python"]
            random.setstate((version, tuple(numbers), gauss))
            torch.set_rng_state(state["torch"].cpu())
            if state["cuda"] is not None and torch.cuda.is_available():
                torch.cuda.set_rng_state(state["cuda"].cpu())
        self._loaded = []
