"""Which of a run's checkpoints stay, and how much of the disk they take."""

from collections.abc import Collection, Iterable
from math import floor, log2
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_info

from networks.text.wording import counted
from train.errors import TrainingError
from train.run.checkpoints.checkpoint_selection import step_in_name
from train.run.checkpoints.run_checkpoint import RunCheckpoint
from train.run.run_directory import BEST_PREFIX, checkpoints_in

ALL, LOG_SPACED = "all", "log_spaced"
BINS_PER_OCTAVE = 2
"""Of checkpoints at steps 1 to 16, these are kept: 1, 2, 3, 4, 6, 8, 12 and 16."""

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


class StepCheckpoints(RunCheckpoint):
    """Checkpoints by step, and which of them stay.

    Args:
        keep: `all` keeps all. A number keeps the last ones: 3 the last three. `log_spaced` keeps two for each doubling
            of the number of steps, which curves on a logarithmic axis need, and the newest. The best one, the last
            one and that of the untrained network always stay.
        kwargs: See `RunCheckpoint`.
    """

    def __init__(self, *, keep: int | Literal["all", "log_spaced"] = "all", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if keep not in (ALL, LOG_SPACED) and (not isinstance(keep, int) or keep < 1):
            raise TrainingError(f"checkpoint.keep must be `{ALL}`, `{LOG_SPACED}` or a number from 1, got {keep!r}")
        if keep != ALL and self.monitor is not None:
            raise TrainingError(
                f"checkpoint.keep is {keep!r}, but checkpoint.monitor is {self.monitor!r}: only one of them can say "
                "which checkpoints stay; best_checkpoint.monitor keeps the best one in addition"
            )
        self.keep = keep
        self._has_reported = False

    def on_saved(self, trainer: pl.Trainer) -> None:
        """Remove what is not kept, and report the size of the first one."""
        if not trainer.is_global_zero:
            return
        paths = {step: path for path in self._saved() if (step := step_in_name(path)) is not None}
        for step in set(paths) - steps_to_keep(paths, self.keep):
            trainer.strategy.remove_checkpoint(paths[step])
        newest = paths.get(trainer.global_step)
        if newest is not None and not self._has_reported:
            self._has_reported = True
            rank_zero_info(f"a checkpoint has {in_words(newest.stat().st_size)}; kept: {self._plan()}")

    def _saved(self) -> Iterable[Path]:
        found = Path(str(self.dirpath)).glob("*.ckpt")
        return (path for path in found if not path.name.startswith((".", BEST_PREFIX)))  # hidden: being written

    def _plan(self) -> str:
        if self.keep == ALL:
            return f"all of them (`--checkpoint.keep 3` or `{LOG_SPACED}` keeps fewer)"
        return "two for each doubling of steps" if self.keep == LOG_SPACED else f"the last {self.keep}"


def steps_to_keep(steps: Collection[int], keep: int | str) -> set[int]:
    """Choose the checkpoints that stay.

    It depends only on which checkpoints there are, so a run that is killed and resumed keeps the same ones.

    Args:
        steps: Steps of all checkpoints, at least 1.
        keep: See `StepCheckpoints`.

    Returns:
        Steps of those that stay.
    """
    if keep == ALL:
        return set(steps)
    in_order = sorted(steps)
    if isinstance(keep, int):
        return set(in_order[-keep:])
    first = {floor(BINS_PER_OCTAVE * log2(step)): step for step in reversed(in_order)}
    return {*first.values(), *in_order[-1:]}


def in_words(num_bytes: float) -> str:
    """Write a size with about two digits, such as "68 MB" or "1.4 GB"."""
    for unit in _UNITS:
        if num_bytes < 999.5 or unit == _UNITS[-1]:
            break
        num_bytes /= 1000
    return f"{num_bytes:.1f} {unit}" if num_bytes < 9.95 and unit != _UNITS[0] else f"{num_bytes:.0f} {unit}"


def checkpoint_sizes(run_dir: str | Path) -> str | None:
    """Say what the checkpoints of a run take, in a line; None if there are none."""
    folder = checkpoints_in(run_dir)
    sizes = [path.stat().st_size for path in folder.glob("*.ckpt") if not path.name.startswith(".")]
    if not sizes:
        return None
    return f"{counted(len(sizes), 'checkpoint')} in {folder}: {in_words(sum(sizes))}"
