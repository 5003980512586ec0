"""The run page, `RUN_DIR/index.html`, which is renewed while a run trains."""

import datetime
import logging
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from datamodules.files import write_text
from datamodules.progress import duration
from evaluate.isolation import undisturbed
from evaluate.metrics.score_kinds import load_kinds
from evaluate.report.page import Part
from evaluate.report.tables.cells import sentence
from evaluate.run_folder import CONFIG_FILE
from evaluate.scoring import table as t
from networks.commands.program import program
from train.display.last_validation import LastValidation
from train.display.pace import Pace, batches_left
from train.display.page.page_parts import PageHead, render_run_page
from train.display.page.run_sections import brain_section, make_sections
from train.learning.validation_sample import ValidationSample
from train.run.run_directory import PAGE_FILE
from train.run.stop_signals import StoppedBySignal

REFRESH_S = 60
"""A browser reloads the page of a running run this often."""
MAX_SHARE = 0.02
"""Drawing takes at most this share of a run's time: if it would take more, the page is written less often."""
NUM_FREE_PAGES = 2
"""Written however long drawing takes: those of the untrained network, and of the first validation."""

_log = logging.getLogger(__name__)


class RunPage(pl.Callback):
    """Writes a page about the run after validations and evaluations: state, curves, confusions, scores, mixtures.

    Only the first process writes; it shows its own share of the validation examples. Training is not affected, and
    problems with the page are only warnings. If `validation_step` of the module does not return logits by task,
    confusions and mixtures are left out.

    Args:
        pace: Callback of the same trainer that measures the pace.
        max_share: Largest share of the time that drawing may take; 1 draws every time.
    """

    def __init__(self, pace: Pace, *, max_share: float = MAX_SHARE) -> None:
        self.pace = pace
        self.max_share = max_share
        self.drawing_s: list[float] = []
        self._sample: ValidationSample | None = None
        self._last_end_s = float("-inf")
        self._scores_seen: int | None = None
        self._has_started = False
        self._last = LastValidation()
        self._brain_parts: list[Part] = []
        self._brain_stamp: int | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Allow writing from now on: a run that cannot start must not replace the page of an earlier one."""
        self._has_started = True
        self._read_last(trainer)

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start gathering."""
        if _counts(trainer):
            self._sample = ValidationSample(pl_module.tasks)  # type: ignore[arg-type]

    def on_validation_batch_end(  # noqa: PLR0917 - the signature is Lightning's
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Gather the answers of the first condition."""
        if _counts(trainer) and dataloader_idx == 0 and self._sample is not None and isinstance(outputs, Mapping):
            try:
                self._sample.add(batch, outputs)
            except Exception:  # a figure is not worth stopping for
                self._sample = None
                _log.warning("gathering for the run page failed; training continues", exc_info=True)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the page with the new validation."""
        if _counts(trainer) and self._is_due():
            self._write(trainer, pl_module, "training", is_running=True)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the page if there are new brain scores."""
        if trainer.is_global_zero and self._is_due() and _stamp(trainer) not in (None, self._scores_seen):
            self._write(trainer, pl_module, "training", is_running=True)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the page for the last time."""
        if not self._has_started:  # the run was finished before
            self._read_last(trainer)
        if trainer.is_global_zero:
            state = "stopped before its planned end" if batches_left(trainer) else "finished"
            self._write(trainer, pl_module, state, is_running=False)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Show on the page why training ended."""
        if trainer.is_global_zero and self._has_started:
            reason = " ".join(f"{type(exception).__name__}: {exception}".split()).rstrip(": ")
            state = exception.reason if isinstance(exception, StoppedBySignal) else f"ended by {reason[:300]}"
            self._write(trainer, pl_module, state, is_running=False)

    def _is_due(self) -> bool:
        if len(self.drawing_s) < NUM_FREE_PAGES:
            return True
        spent_s = self.drawing_s[-1]
        return time.monotonic() - self._last_end_s >= spent_s * (1 / self.max_share - 1)

    def _read_last(self, trainer: pl.Trainer) -> None:
        """Read what is known of the last validation if a run resumes."""
        if trainer.is_global_zero and trainer.global_step > 0:
            self._last = LastValidation.read(Path(trainer.default_root_dir))

    def _write(self, trainer: pl.Trainer, pl_module: pl.LightningModule, state: str, *, is_running: bool) -> None:
        """Draw and write, without any effect on training."""
        started_s = time.monotonic()
        try:
            with undisturbed(pl_module), torch.no_grad():
                self._scores_seen = _stamp(trainer)
                head = self._head(trainer, pl_module, state, is_running)
                brain = partial(self._brain, trainer, head.name)
                made = make_sections(trainer, pl_module, self._sample, brain_scores=brain, last=self._last)
                page = render_run_page(head, list(made))
                folder = Path(trainer.default_root_dir)
                folder.mkdir(parents=True, exist_ok=True)
                self._last.write(folder)
                write_text(folder / PAGE_FILE, page)
        except Exception:  # the page is not worth stopping for
            _log.warning("writing the run page failed; training continues", exc_info=True)
        self._last_end_s = time.monotonic()
        self.drawing_s.append(self._last_end_s - started_s)

    def _brain(self, trainer: pl.Trainer, name: str) -> list[Part]:
        """Draw brain scores only if there are new ones: they are most of the work."""
        if self._brain_stamp != self._scores_seen or not self._brain_parts:
            table = t.read_table(Path(trainer.default_root_dir) / t.SCORES_FILE)
            kinds = load_kinds(trainer.default_root_dir)
            self._brain_parts, self._brain_stamp = list(brain_section(table, name, kinds)), self._scores_seen
        return self._brain_parts

    def _head(self, trainer: pl.Trainer, pl_module: pl.LightningModule, state: str, is_running: bool) -> PageHead:
        name = getattr(pl_module, "run_name", "") or Path(trainer.default_root_dir).resolve().name
        epochs = str(pl_module.epochs_completed)
        if trainer.max_epochs is not None and trainer.max_epochs > 0:
            epochs += f" of {trainer.max_epochs}"
        facts = {"epochs completed": epochs, "optimiser steps": str(trainer.global_step)}
        if self.pace.samples_per_s is not None:
            self._last.samples_per_s = self.pace.samples_per_s
        if self._last.samples_per_s is not None:
            facts["training examples per second"] = f"{self._last.samples_per_s:.4g}"
        left_s = self.pace.seconds_left(trainer) if is_running else None
        now = datetime.datetime.now().astimezone().replace(microsecond=0)
        facts["written"] = now.isoformat(sep=" ")
        if left_s is not None:
            end = now + datetime.timedelta(seconds=left_s)
            facts["time left"] = f"{duration(left_s)} (until {end.isoformat(sep=' ', timespec='minutes')})"
        if trainer.world_size > 1:
            facts["processes"] = str(trainer.world_size)
        refresh_s = REFRESH_S if is_running else None
        refreshed = f" A browser reloads it every {refresh_s} s." if is_running else ""
        note = (
            f"This page is written after validations and evaluations, at most {MAX_SHARE:.0%} of the time.{refreshed} "
            f"Configuration: {CONFIG_FILE}, next to it. All runs and benchmarks in detail: "
            f"{program('evaluate', 'report')}."
        )
        return PageHead(name, sentence(state), refresh_s, note, facts)


def _counts(trainer: pl.Trainer) -> bool:
    """Whether a validation belongs to training, in the process that writes."""
    return trainer.is_global_zero and trainer.state.fn == "fit" and not trainer.sanity_checking


def _stamp(trainer: pl.Trainer) -> int | None:
    """Return when the table of brain scores was written; None if there is none."""
    path = Path(trainer.default_root_dir) / t.SCORES_FILE
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
