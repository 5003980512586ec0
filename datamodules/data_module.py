"""The LightningDataModule: shards of signals and noises become batches of labelled mixtures."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.utilities import rank_zero_info

from datamodules.audio import PUBLISHED_SAMPLE_RATE_HZ
from datamodules.batches.batch_mixing import mixed
from datamodules.batches.clip_pairs import ClipPair, training_order, validation_order
from datamodules.batches.examples import MixtureDataset, MixtureSettings
from datamodules.batches.loader import ExampleLoader, TrainingLoader
from datamodules.batches.mixing import DEFAULT_JITTER_S, PUBLISHED_SNR_DB
from datamodules.batches.order import DataSettingsError, Purpose, TrainingOrder, check_seed
from datamodules.shards.clip_sources import ClipSource, open_clips
from datamodules.shards.index import ShardError
from datamodules.tasks import Side, Task, TaskError, resolve_task

DEFAULT_BATCH_SIZE = 128
"""Batch size of the published recipes of CochCNN9."""


class AuditoryDataModule(lightning.LightningDataModule):
    """Signals in noise, with any list of tasks about either.

    Each signal clip comes once per epoch, around its midpoint, in noise from a random place of the next noise clip.
    Every random choice is a function of (seed, epoch, position): the number of workers changes nothing, and neither
    does the number of ranks as long as batch_size times ranks stays the same. In training, an incomplete last global
    batch is dropped; in validation, every clip comes once. How the published training drew signal-only and noise-only
    examples is not known; their fractions are 0 by default.

    A batch is a dictionary: `waveform` (B, T) float32; `targets`, for each task (B,) int64 or (B, C) float32; `snr_db`
    (B,) float32, +inf without noise, -inf without signal. Targets of clips without a label for a task are `UNLABELLED`,
    or a row of NaN; losses and metrics ignore them.

    Shards are opened in `setup`, or when something that depends on them is first needed: `tasks`, `num_classes`,
    `steps_per_epoch` or a loader. Errors in the shards are reported then.

    Args:
        signal: Folder with the shard sets `train` and `val` (and `test`, for testing) of the signals, or with the
            published HDF5 files (`train_*/`, `valid_*/`), see `datamodules.shards.published_hdf5`. Shard sets on other
            machines are streamed from a URL or pipe, with a local shuffle, see `datamodules.shards.streaming`.
        tasks: Names, `package.module:NAME` of tasks of your own, or mappings with `name` and any of `kind`, `side`,
            `loss_weight`, `null_label`.
        noise: The same for the noises; None for quiet.
        batch_size: Examples per batch on each rank; 128, unless `global_batch_size` is given.
        global_batch_size: Examples per optimiser step, over all ranks and accumulated batches, in place of
            `batch_size`: the same training on any number of GPUs.
        num_workers: Worker processes per loader and rank.
        duration_s: Duration of an example in seconds.
        sample_rate_hz: Sample rate in Hz, which must be that of the shards.
        snr_db: Lowest and highest signal-to-noise ratio of training in dB.
        signal_only_fraction: Fraction of examples without noise, 0 to 1.
        noise_only_fraction: Fraction of examples without signal; the sum of both is at most 1.
        jitter_s: Signals are shifted in time by up to this much, in seconds.
        seed: Seed of all random choices.
        mix_on_device: Send signals and noises to the device and mix there, in float64: the same mixtures, less work for
            the workers, twice as much to send. Without a Trainer, batches then have `signal` and `noise` in place of
            `waveform`.
        val_conditions: Conditions of validation, which runs once for each: a name, and a fixed signal-to-noise ratio in
            dB (`.inf` is quiet), or null for mixtures as in training, drawn once. All conditions have the same pairs of
            clips. The default is `{"mixed": null}`, and in quiet `{"quiet": .inf}`.

    Raises:
        TaskError: No task is named.
        DataSettingsError: A number is out of its range, or settings contradict each other.
    """

    def __init__(
        self,
        *,
        signal: str,
        tasks: list[str | dict[str, Any]],
        noise: str | None = None,
        batch_size: int | None = None,
        global_batch_size: int | None = None,
        num_workers: int = 2,
        duration_s: float = 2.0,
        sample_rate_hz: int = PUBLISHED_SAMPLE_RATE_HZ,
        snr_db: tuple[float, float] = PUBLISHED_SNR_DB,
        signal_only_fraction: float = 0.0,
        noise_only_fraction: float = 0.0,
        jitter_s: float = DEFAULT_JITTER_S,
        seed: int = 0,
        mix_on_device: bool = False,
        val_conditions: dict[str, float | None] | None = None,
    ) -> None:
        super().__init__()
        if batch_size is not None and global_batch_size is not None:
            raise DataSettingsError(
                f"batch_size {batch_size} (on each rank) and global_batch_size {global_batch_size} (over all ranks and "
                "accumulated batches) are both given: set one of them to null"
            )
        self._batch_size = DEFAULT_BATCH_SIZE if batch_size is None else batch_size
        self._global_batch_size = global_batch_size
        self.num_workers = num_workers
        self.sample_rate_hz = sample_rate_hz
        self.num_samples = round(duration_s * sample_rate_hz)
        self.seed = seed
        self.settings = MixtureSettings(
            num_samples=self.num_samples,
            snr_db=(float(snr_db[0]), float(snr_db[1])),
            signal_only_fraction=signal_only_fraction,
            noise_only_fraction=noise_only_fraction,
            jitter_s=jitter_s,
        )
        check_seed(seed)
        _check_settings(self.settings, has_noise=noise is not None)
        self._val_conditions = _checked_conditions(val_conditions, has_noise=noise is not None)
        self._is_mixed = not mix_on_device or noise is None
        self._locations: dict[Side, str] = {"signal": signal}
        if noise is not None:
            self._locations["noise"] = noise
        if not tasks:
            raise TaskError("name at least one task")
        self._given_tasks = list(tasks)
        self._tasks: list[Task] | None = None
        self._clips: dict[str, ClipPair] = {}
        self.batch_size_on(1)  # checks `global_batch_size`

    @property
    def tasks(self) -> list[Task]:
        """The tasks, with the labels of the training clips.

        Raises:
            TaskError: A task is unknown, lacks its labels, or needs a null class that it does not have.
            ShardError: As `clips`.
        """
        if self._tasks is None:
            resolved = _resolved(self._given_tasks, self.clips("train"))
            self._check_null_classes(resolved)
            self._tasks = resolved
        return self._tasks

    def clips(self, split: str) -> ClipPair:
        """The clips of a split, opened when they are first needed.

        Args:
            split: "train", "val" or "test".

        Raises:
            ShardError: Shards are missing, damaged, disagree with those for training, or have another sample rate.
        """
        if split not in self._clips:
            self._clips[split] = self._opened(split, like=None if split == "train" else self.clips("train"))
        return self._clips[split]

    @property
    def num_classes(self) -> dict[str, int]:
        """Number of classes of each task, including the null class."""
        return {task.name: task.num_classes for task in self.tasks}

    @property
    def condition_names(self) -> tuple[str, ...]:
        """Names of the validation conditions, in the order of the validation loaders."""
        return tuple(self._val_conditions)

    def batch_size_on(self, num_ranks: int) -> int:
        """Examples per batch on each of `num_ranks` ranks.

        Raises:
            DataSettingsError: `global_batch_size` cannot be divided among the ranks.
        """
        if self._global_batch_size is None:
            return self._batch_size
        accumulated = self._num_accumulated()
        size, left_over = divmod(self._global_batch_size, num_ranks * accumulated)
        if size < 1 or left_over:
            raise DataSettingsError(
                f"global_batch_size {self._global_batch_size} cannot be divided among {num_ranks} rank(s) times "
                f"{accumulated} accumulated batch(es): change trainer.devices, trainer.num_nodes or "
                "trainer.accumulate_grad_batches so that it can, or give batch_size (on each rank) in its place"
            )
        return size

    def setup(self, stage: str) -> None:
        """Open the clips of a stage, and report how large a step is, which depends on the number of ranks.

        Args:
            stage: "fit", "validate" or "test".

        Raises:
            ShardError: As `clips`.
            TaskError: As `tasks`.
            DataSettingsError: Too few clips for a batch, or `global_batch_size` cannot be divided among the ranks.
        """
        _ = self.tasks
        self.clips("test" if stage == "test" else "val")
        if stage == "fit":
            _, num_ranks = self._rank_and_num_ranks()
            size, accumulated = self.batch_size_on(num_ranks), self._num_accumulated()
            self.steps_per_epoch(num_ranks)  # an error now rather than later if there are too few clips
            rank_zero_info(
                f"a step: {size} examples x {num_ranks} rank(s) x {accumulated} accumulated batch(es) = "
                f"{size * num_ranks * accumulated}"
            )

    def steps_per_epoch(self, num_ranks: int = 1) -> int:
        """Training batches per epoch on each of `num_ranks` ranks."""
        return len(self._train_order(rank=0, num_ranks=num_ranks))

    def train_dataloader(self) -> TrainingLoader:
        """The training loader of this rank."""
        trainer = self.trainer
        if getattr(trainer, "overfit_batches", 0):
            raise DataSettingsError("overfit_batches would use other examples in each epoch: use limit_train_batches")
        rank, num_ranks = self._rank_and_num_ranks()
        return TrainingLoader(
            MixtureDataset(*self.clips("train"), self.tasks, self.settings, seed=self.seed, is_mixed=self._is_mixed),
            self._train_order(rank=rank, num_ranks=num_ranks),
            current_epoch=lambda: 0 if trainer is None else trainer.current_epoch,
            num_workers=self.num_workers,
            pin_memory=torch.cuda.is_available(),
        )

    def val_dataloader(self) -> list[ExampleLoader]:
        """One loader per validation condition."""
        return self._condition_loaders(self.clips("val"))

    def test_dataloader(self) -> list[ExampleLoader]:
        """One loader per validation condition, over the shard sets `test`."""
        return self._condition_loaders(self.clips("test"))

    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """Mix the batch if that is done on the device."""
        return mixed(batch)

    def _condition_loaders(self, shards: ClipPair) -> list[ExampleLoader]:
        rank, num_ranks = self._rank_and_num_ranks()
        order = validation_order(
            shards,
            batch_size=self.batch_size_on(num_ranks),
            seed=self.seed,
            rank=rank,
            num_ranks=num_ranks,
            num_workers=self.num_workers,
        )
        datasets = [
            MixtureDataset(
                *shards,
                self.tasks,
                self.settings,
                seed=self.seed,
                purpose=Purpose.VALIDATION_EXAMPLE,
                fixed_snr_db=snr_db,
                is_mixed=self._is_mixed,
            )
            for snr_db in self._val_conditions.values()
        ]
        pin_memory = torch.cuda.is_available()
        return [
            ExampleLoader(dataset, order, num_workers=self.num_workers, pin_memory=pin_memory) for dataset in datasets
        ]

    def _train_order(self, *, rank: int, num_ranks: int) -> TrainingOrder:
        return training_order(
            self.clips("train"),
            batch_size=self.batch_size_on(num_ranks),
            seed=self.seed,
            rank=rank,
            num_ranks=num_ranks,
            num_workers=self.num_workers,
        )

    def _rank_and_num_ranks(self) -> tuple[int, int]:
        """Those of the trainer; environment variables would be wrong in spawned processes."""
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)

    def _num_accumulated(self) -> int:
        """Number of batches whose gradients are accumulated for a step."""
        return 1 if self.trainer is None else self.trainer.accumulate_grad_batches

    def _opened(self, split: str, *, like: ClipPair | None = None) -> ClipPair:
        """Open the clips of a split, and check them against the settings and the training clips."""
        opened = {side: _opened_side(location, split, side) for side, location in self._locations.items()}
        for shards in opened.values():
            if shards.sample_rate_hz != self.sample_rate_hz:
                raise ShardError(
                    f"{shards.folder}: has a sample rate of {shards.sample_rate_hz} Hz, sample_rate_hz is "
                    f"{self.sample_rate_hz} Hz: set it to that of the shards, or build them again"
                )
            if not len(shards):
                raise ShardError(f"{shards.folder} has no clips")
        pair = ClipPair(opened["signal"], opened.get("noise"))
        for ours, theirs in zip(pair, like or pair, strict=True):
            if ours is not None and theirs is not None and ours.label_sets != theirs.label_sets:
                raise ShardError(f"{ours.folder} and {theirs.folder} have different label sets: build them together")
        return pair

    def _check_null_classes(self, tasks: Sequence[Task]) -> None:
        ratios = [ratio for ratio in self._val_conditions.values() if ratio is not None]
        absent = {
            "signal": self.settings.noise_only_fraction > 0 or -math.inf in ratios,
            "noise": self.settings.signal_only_fraction > 0 or math.inf in ratios,
        }
        for task in tasks:
            if absent[task.side] and task.null_label is None:
                raise TaskError(
                    f"task {task.name!r} has no null class, but some examples have no {task.side}: give it its "
                    "null label, or choose fractions and val_conditions without such examples"
                )


def _opened_side(location: str, split: str, side: Side) -> ClipSource:
    """Open the clips of one side; an error names the setting, which may come from a recipe."""
    try:
        return open_clips(location, split, side=side)
    except ShardError as error:
        quiet = ", or null for quiet" if side == "noise" else ""
        raise ShardError(f"`data.{side}` is {location}: {error}. Set `data.{side}` to your folder{quiet}") from error


def _resolved(tasks: Sequence[str | dict[str, Any]], shards: ClipPair) -> list[Task]:
    label_sets = {"signal": shards.signals.label_sets}
    if shards.noises is not None:
        label_sets["noise"] = shards.noises.label_sets
    resolved = [resolve_task(task, label_sets) for task in tasks]
    names = [task.name for task in resolved]
    if len(set(names)) < len(names):
        raise TaskError(f"a task is named twice in {names}")
    return resolved


def _check_settings(settings: MixtureSettings, *, has_noise: bool) -> None:
    low_db, high_db = settings.snr_db
    if not (math.isfinite(low_db) and math.isfinite(high_db) and low_db <= high_db):
        raise DataSettingsError(f"snr_db must be [lowest, highest] in dB, both finite, got {settings.snr_db}")
    fractions = settings.signal_only_fraction, settings.noise_only_fraction
    if not (min(fractions) >= 0 and sum(fractions) <= 1):
        raise DataSettingsError(
            f"signal_only_fraction and noise_only_fraction must be at least 0 and sum to at most 1, got {fractions}"
        )
    if not has_noise and any(fractions):
        raise DataSettingsError("without noise (quiet) signal_only_fraction and noise_only_fraction must be 0")
    if settings.num_samples < 1 or settings.jitter_s < 0:
        raise DataSettingsError(
            f"duration_s must be above 0 and jitter_s at least 0, got {settings.num_samples} samples and "
            f"{settings.jitter_s} s"
        )


def _checked_conditions(conditions: Mapping[str, float | None] | None, *, has_noise: bool) -> dict[str, float | None]:
    if not has_noise:
        noisy = {name: snr_db for name, snr_db in (conditions or {}).items() if snr_db not in (None, math.inf)}
        if noisy:
            raise DataSettingsError(f"val_conditions {noisy} need noise, and `noise` is not given")
    if conditions is not None and not conditions:
        raise DataSettingsError("val_conditions needs at least one condition, or null for the default")
    if conditions is None:
        return {"mixed": None} if has_noise else {"quiet": math.inf}
    for name, snr_db in conditions.items():
        if snr_db is not None and math.isnan(snr_db):
            raise DataSettingsError(f"val_conditions: the ratio of {name!r} is not a number")
    return dict(conditions)
