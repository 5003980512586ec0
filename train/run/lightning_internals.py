"""Everything here relies on private or undocumented members of Lightning and jsonargparse.

Nothing else in `train` does. Each item says what the public interface lacks. `test_lightning_internals.py` states what
must hold: if a new release breaks a test there, this file is the one to change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonargparse
import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

if TYPE_CHECKING:
    import argparse

    from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
    from torch import Tensor

_READ_TEXT = jsonargparse.Path.read_text


def batches_completed(trainer: pl.Trainer) -> int:
    """Count the batches completed in the current pass; a batch counts once all its hooks have run.

    `Trainer` only counts optimiser steps and passes.
    """
    return int(trainer.fit_loop.epoch_loop.batch_progress.current.completed)


def passes_completed(trainer: pl.Trainer) -> int:
    """Count the whole passes over the training data, at any hook; a pass counts once its last batch is completed.

    `trainer.current_epoch` also counts a pass that was cut short, and counts a whole pass only some hooks after its
    last batch.
    """
    epochs: Any = trainer.fit_loop.epoch_progress.current
    batches = trainer.fit_loop.epoch_loop.batch_progress
    is_whole = batches.is_last_batch and batches.current.completed == batches.current.ready
    if epochs.started > epochs.completed:
        return int(epochs.completed) + int(is_whole)
    # Between passes, the batches are those of the last pass, which is counted even if it was cut short.
    return int(epochs.completed) - int(batches.current.ready > 0 and not is_whole)


def saved_passes(checkpoint: Mapping[str, Any]) -> int:
    """Count the whole passes over the training data in a checkpoint, as `passes_completed` does for a trainer."""
    loop = checkpoint["loops"]["fit_loop"]
    epochs, batches = loop["epoch_progress"]["current"], loop["epoch_loop.batch_progress"]
    is_whole = batches["is_last_batch"] and batches["current"]["completed"] == batches["current"]["ready"]
    if epochs["started"] > epochs["completed"]:
        return int(epochs["completed"]) + int(is_whole)
    return int(epochs["completed"]) - int(batches["current"]["ready"] > 0 and not is_whole)


def close_whole_pass(trainer: pl.Trainer) -> None:
    """Let a run that resumes after a whole pass begin with the next pass. Call in `on_train_start`.

    With `max_steps`, Lightning assumes that every checkpoint was saved within a pass: it ends a whole pass a second
    time, after an extra batch if no validation is due at its end, and counts logged steps one too high from then on.
    This function sets the loops to the state they have with `max_epochs`. It does nothing within a pass.
    """
    loop = trainer.fit_loop
    progress: Any = loop.epoch_progress.current
    is_whole = batches_completed(trainer) >= trainer.num_training_batches
    if loop.restarting and progress.processed > progress.completed and is_whole:
        loop.epoch_progress.increment_completed()
        loop._restarting = False  # the public setter ignores the value if `max_steps` is given
        loop.epoch_loop.restarting = False
        loop.reset_restart_stage()
        loop.epoch_loop.reset_restart_stage()


def loss_scale(trainer: pl.Trainer) -> float:
    """Factor by which float16 training scales its loss; 1 for other precisions. No hook receives the unscaled loss."""
    scaler = getattr(trainer.precision_plugin, "scaler", None)
    return 1.0 if scaler is None else float(scaler.get_scale())


def subcommand_parser(cli: LightningCLI, subcommand: str) -> LightningArgumentParser:
    """Get the parser of one subcommand. `LightningCLI` only passes it to a callback whose position it chooses."""
    return cli._parser(subcommand)


def failed_parser(error: Exception | None, parser: LightningArgumentParser) -> LightningArgumentParser:
    """Get the parser in which an error occurred: that of a subcommand if jsonargparse names one, otherwise `parser`."""
    found: LightningArgumentParser = getattr(error, "subcommand_parser", None) or parser
    return found


def parent_of(parser: LightningArgumentParser) -> LightningArgumentParser | None:
    """Get the parser whose subcommand a parser reads; None for that of the whole command line."""
    return getattr(parser, "parent_parser", None)


def subcommand_of(parser: LightningArgumentParser) -> str | None:
    """Get the subcommand that a parser reads; None for that of the whole command line."""
    return getattr(parser, "subcommand", None)


def actions_by_name(parser: LightningArgumentParser) -> dict[str, argparse.Action]:
    """Get the options of a parser by their names without dashes; there is no public list of them."""
    return {
        option.removeprefix("--"): action
        for action in parser._actions
        for option in action.option_strings
        if option.startswith("--")
    }


def read_files_with(read: Callable[[Path], str]) -> None:
    """Let jsonargparse read local files with a function of this project; it has no setting for encodings and checks."""

    def read_text(self: jsonargparse.Path) -> str:
        path = Path(self.absolute)
        return read(path) if path.is_file() else _READ_TEXT(self)

    jsonargparse.Path.read_text = read_text  # type: ignore[method-assign]


class OpenEarlyStopping(EarlyStopping):
    """Lightning's `EarlyStopping` with a public name for its decision, so that it can be taken at any moment.

    Lightning calls the hooks of its subclasses after those of other callbacks, whose values they go by.
    """

    def judge(self, value: Tensor) -> tuple[bool, str | None]:
        """Whether to stop after a value, which is counted, and why, or how it improved."""
        should_stop, reason = self._evaluate_stopping_criteria(value)
        return bool(should_stop), reason


class OpenModelCheckpoint(ModelCheckpoint):
    """Lightning's `ModelCheckpoint` with public names for its decisions.

    `ModelCheckpoint` has no public way to save at a chosen moment, to reject a save, or to combine steps and epochs.

    Args:
        every_n_epochs: Save after every `every_n_epochs` epochs, also in addition to steps or a time interval.
            Lightning accepts only one of them.
        every_n_train_steps: As in `ModelCheckpoint`.
        kwargs: As in `ModelCheckpoint`.
    """

    def __init__(
        self, *, every_n_epochs: int | None = None, every_n_train_steps: int | None = None, **kwargs: Any
    ) -> None:
        has_others = bool(every_n_train_steps) or kwargs.get("train_time_interval") is not None
        super().__init__(
            every_n_train_steps=every_n_train_steps, every_n_epochs=None if has_others else every_n_epochs, **kwargs
        )
        if has_others:
            self._every_n_epochs = every_n_epochs or 0
        self.every_n_train_steps = every_n_train_steps or 0

    def is_new_value(self, trainer: pl.Trainer) -> bool:
        """Whether the monitored value may be looked at now. Override to reject a save; called once for each one."""
        return True

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state; the worst checkpoint, which Lightning notes only once there are `save_top_k`, is found.

        Lightning fails at the next save if a run resumes with a smaller `save_top_k`.
        """
        super().load_state_dict(state_dict)
        if self.best_k_models and self.kth_best_model_path not in self.best_k_models:
            worst = max if self.mode == "min" else min
            self.kth_best_model_path = worst(self.best_k_models, key=lambda path: float(self.best_k_models[path]))
            self.kth_value = self.best_k_models[self.kth_best_model_path]

    def on_saved(self, trainer: pl.Trainer) -> None:
        """Do something after a checkpoint was saved, or looked at and not saved; override it."""

    def can_save(self, trainer: pl.Trainer) -> bool:
        """Whether Lightning would save: while fitting, not in a rehearsal, and not twice at the same step."""
        return not self._should_skip_saving_checkpoint(trainer)

    def save_if_best(self, trainer: pl.Trainer) -> None:
        """Save if the monitored value is among the best, or if all checkpoints are kept."""
        self._save_topk_checkpoint(trainer, self._monitor_candidates(trainer))

    def save_last_too(self, trainer: pl.Trainer) -> None:
        """Save `last.ckpt` if `save_last` asks for it."""
        self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))

    def _save_topk_checkpoint(self, trainer: pl.Trainer, monitor_candidates: dict[str, Tensor]) -> None:
        if self.is_new_value(trainer):
            super()._save_topk_checkpoint(trainer, monitor_candidates)
            self.on_saved(trainer)

    def _should_remove_checkpoint(self, trainer: pl.Trainer, previous: str, current: str) -> bool:
        """Also remove the checkpoint that training resumed from, which Lightning always keeps."""
        return previous != current and Path(str(self.dirpath)).absolute() in Path(previous).absolute().parents
