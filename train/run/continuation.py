"""Callbacks that make a resumed run the run that was stopped: states that Lightning does not save, and its loops."""

import random
from typing import Any, cast

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor
from torchmetrics import Metric

from networks.text.wording import counted
from networks.user_code import shown_path
from train.run.lightning_internals import close_whole_pass, passes_completed


class RankStates(pl.Callback):
    """Saves every rank's random states and running metrics, and restores them when a run resumes.

    Random states are those of Python, and of PyTorch on CPU and GPU. Dropout needs them; the data do not, as their
    random choices are functions of seed, epoch and position. Running metrics are those of the training examples of
    the epoch so far.
    """

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}
        self._loaded: list[dict[str, Any]] = []

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Find the running metrics."""
        self._metrics = dict(getattr(pl_module, "train_accuracy", {}).items())

    def state_dict(self) -> dict[str, Any]:
        """Return the states of all ranks, in tensors and plain Python; called on every rank."""
        version, numbers, gauss = random.getstate()
        state = {
            "python": [version, list(numbers), gauss],
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
            "metrics": {name: _metric_state(metric) for name, metric in self._metrics.items()},
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
        """Restore this rank's states, once all setup has drawn its random numbers; in a new run, separate the ranks."""
        if not self._loaded and trainer.global_rank > 0:
            # All ranks have the same seed, so that their networks start equal; their dropout must differ.
            torch.manual_seed(torch.initial_seed() + trainer.global_rank)
        if trainer.global_rank < len(self._loaded):
            state = self._loaded[trainer.global_rank]
            version, numbers, gauss = state["python"]
            random.setstate((version, tuple(numbers), gauss))
            torch.set_rng_state(state["torch"].cpu())
            if state["cuda"] is not None and torch.cuda.is_available():
                torch.cuda.set_rng_state(state["cuda"].cpu())
            for name, values in state["metrics"].items():
                _restore_metric(self._metrics[name], values)
        self._loaded = []


class ResumeAfterWholePass(pl.Callback):
    """Lets a run with `max_steps` resume with the next pass if the last one was whole, as with `max_epochs`.

    Must come before all callbacks that count passes.
    """

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Close the pass, and say where training resumes."""
        close_whole_pass(trainer)
        if trainer.ckpt_path is not None:
            place = f"step {trainer.global_step}, {counted(passes_completed(trainer), 'epoch', 'is')} complete"
            rank_zero_info(f"resumed from {shown_path(str(trainer.ckpt_path))}: {place}")


def _metric_state(metric: Metric) -> dict[str, Any]:
    states = cast(dict[str, Tensor], metric.metric_state)  # those of accuracies are counts, not lists
    tensors = {name: value.detach().cpu().clone() for name, value in states.items()}
    return {"updates": metric.update_count, "tensors": tensors}


def _restore_metric(metric: Metric, state: dict[str, Any]) -> None:
    # The number of updates is not restored: torchmetrics only warns with it, and a pass is resumed before its last
    # batch, which is one more update.
    for name, value in state["tensors"].items():
        setattr(metric, name, value.to(metric.device))
