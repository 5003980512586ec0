"""The LightningDataModule: shards of signals and noises become batches of labelled mixtures."""

import math
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.utilities import rank_zero_info

from datamodules.audio import PUBLISHED_DURATION_S, PUBLISHED_SAMPLE_RATE_HZ
from datamodules.batches.augmentation.augmentation import Augmentation
from datamodules.batches.augmentation.on_device import finished
from datamodules.batches.augmentation.plan import AugmentationPlan
from datamodules.batches.clip_pairs import ClipPair, training_order, validation_order
from datamodules.batches.examples import MixtureDataset, MixtureSettings, SignalCrop
from datamodules.batches.loader import ExampleLoader, TrainingLoader
from datamodules.batches.mixing import DEFAULT_JITTER_S, PUBLISHED_SNR_DB
from datamodules.batches.order import ClipWeights, TrainingOrder
from datamodules.batches.random_streams import Purpose, check_seed
from datamodules.batches.sampling.clip_weights import clip_weights
from datamodules.batches.sampling.corpus_shares import CorpusSetting, corpora_of
from datamodules.batches.sampling.sampling import Sampling
from datamodules.batches.settings_checks import (
    check_no_noise_needed,
    check_quiet,
    check_settings,
    checked_conditions,
)
from datamodules.batches.settings_error import DataSettingsError
from datamodules.shards.index import ShardError
from datamodules.tasks import Task, TaskError, resolve_task
from networks.text.wording import counted

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
    (B,) float32, +inf without noise, -inf without signal; and `draw` (B, 2) int64, epoch and position, the key of all
    random numbers of the example. Targets of clips without a label for a task are `UNLABELLED`, or a row of NaN; losses
    and metrics ignore them.

    Shards are opened in `setup`, or when something that depends on them is first needed: `tasks`, `num_classes`,
    `steps_per_epoch` or a loader. Errors in the shards are reported then.

    Args:
        signal: Folder with the shard sets `train` and `val` (and `test`, for testing) of the signals, or with the
            published HDF5 files (`train_*/`, `valid_*/`), see `datamodules.shards.published_hdf5`. Shard sets on other
            machines are streamed from a URL or pipe, with a local shuffle, see `datamodules.shards.streaming`. Several
            corpora are a list of folders, or a mapping from each folder to its share of the examples.
        tasks: Names, `package.module:NAME` of tasks of your own, or mappings with `name` and any of `kind`, `side`,
            `loss_weight`, `null_label`. An empty list needs no labels: the network then learns from `model.objectives`.
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
        signal_crop: Where the stretch of a signal that is heard is: around the clip's "midpoint", give or take
            `jitter_s`, or "anywhere" in it.
        second_crop: Add another crop of the same signal to each example, from anywhere in its clip and in other noise,
            as `second_crop` (B, T): contrastive learning needs it.
        seed: Seed of all random choices. By default 0 or, on the command line, `seed_everything`.
        mix_on_device: Send signals and noises to the device and mix there, in float64: the same mixtures, less work for
            the workers, twice as much to send. Without a Trainer, batches then have `signal` and `noise` in place of
            `waveform`.
        val_conditions: Conditions of validation, which runs once for each: a name, and a fixed signal-to-noise ratio in
            dB (`.inf` is quiet), or null for mixtures as in training, drawn once. All conditions have the same pairs of
            clips. The default is `{"mixed": null}`, and in quiet `{"quiet": .inf}`.
        signal_sampling: How often each signal clip is drawn in training, such as
            `datamodules.BalancedSampling`; by default, each comes once per epoch.
        noise_sampling: The same for noise clips; by default, all come before any repeats.
        augmentation: Random changes in training, in the order in which they are applied, such as
            `datamodules.Reverberation`. Masks and mixup are applied to whole batches, where the network is; with
            `mix_on_device`, so are filters (reverberation, equalisation, band limits) and gains, if no other
            augmentation follows them.

    Raises:
        DataSettingsError: A number is out of its range, or settings contradict each other.
    """

    def __init__(
        self,
        *,
        signal: CorpusSetting,
        tasks: list[str | dict[str, Any]],
        noise: CorpusSetting | None = None,
        batch_size: int | None = None,
        global_batch_size: int | None = None,
        num_workers: int = 2,
        duration_s: float = PUBLISHED_DURATION_S,
        sample_rate_hz: int = PUBLISHED_SAMPLE_RATE_HZ,
        snr_db: tuple[float, float] = PUBLISHED_SNR_DB,
        signal_only_fraction: float = 0.0,
        noise_only_fraction: float = 0.0,
        jitter_s: float = DEFAULT_JITTER_S,
        signal_crop: SignalCrop = "midpoint",
        second_crop: bool = False,
        seed: int | None = None,
        mix_on_device: bool = False,
        val_conditions: dict[str, float | None] | None = None,
        signal_sampling: Sampling | None = None,
        noise_sampling: Sampling | None = None,
        augmentation: list[Augmentation] | None = None,
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
        self.seed = 0 if seed is None else seed
        self.settings = MixtureSettings(
            num_samples=self.num_samples,
            snr_db=(float(snr_db[0]), float(snr_db[1])),
            signal_only_fraction=signal_only_fraction,
            noise_only_fraction=noise_only_fraction,
            jitter_s=jitter_s,
            signal_crop=signal_crop,
            second_crop=second_crop,
        )
        if second_crop and mix_on_device:
            raise DataSettingsError("second_crop needs mixing by the workers: set mix_on_device to false")
        check_seed(self.seed)
        check_settings(self.settings)
        if noise is None:
            check_quiet(self.settings, val_conditions)
            check_no_noise_needed(noise_sampling, augmentation or ())
        self._val_conditions = checked_conditions(val_conditions, has_noise=noise is not None)
        self._is_mixed = not mix_on_device or noise is None
        self._augmentation = AugmentationPlan(
            augmentation or (),
            num_samples=self.num_samples,
            sample_rate_hz=sample_rate_hz,
            seed=self.seed,
            on_device=not self._is_mixed,
        )
        if second_crop and self._augmentation.mixup is not None:
            raise DataSettingsError("Mixup does not blend second crops: leave out Mixup or second_crop")
        self._corpora = {"signal": corpora_of(signal, "signal")}
        if noise is not None:
            self._corpora["noise"] = corpora_of(noise, "noise")
        self._sampling = {"signal": signal_sampling, "noise": noise_sampling}
        self._weights: ClipWeights | None = None
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

    @property
    def has_noise(self) -> bool:
        """Whether signals are mixed with noise; False in quiet."""
        return "noise" in self._corpora

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
                f"global_batch_size {self._global_batch_size} cannot be divided among {counted(num_ranks, 'rank')} "
                f"times {counted(accumulated, 'accumulated batch')}: change trainer.devices, trainer.num_nodes or "
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
            self._augmentation.check(self.tasks, batch_size=size)
            self.steps_per_epoch(num_ranks)  # an error now rather than later if there are too few clips
            rank_zero_info(_step_in_words(size, num_ranks=num_ranks, accumulated=accumulated))

    def steps_per_epoch(self, num_ranks: int = 1) -> int:
        """Training batches per epoch on each of `num_ranks` ranks."""
        return len(self._train_order(rank=0, num_ranks=num_ranks))

    def train_dataloader(self) -> TrainingLoader:
        """The training loader of this rank."""
        trainer = self.trainer
        if getattr(trainer, "overfit_batches", 0):
            raise DataSettingsError("overfit_batches would use other examples in each epoch: use limit_train_batches")
        rank, num_ranks = self._rank_and_num_ranks()
        self._augmentation.check(self.tasks, batch_size=self.batch_size_on(num_ranks))
        return TrainingLoader(
            MixtureDataset(
                *self.clips("train"),
                self.tasks,
                self.settings,
                seed=self.seed,
                is_mixed=self._is_mixed,
                augmentation=self._augmentation,
            ),
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
        """Finish a batch: mix it if that is done on the device, and apply what augmentations are left."""
        return finished(batch, self._augmentation)

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
        pair = self.clips("train")
        if self._weights is None:
            sides = zip(pair, self._sampling.values(), strict=True)
            self._weights = ClipWeights(
                *(None if clips is None else clip_weights(clips, sampling) for clips, sampling in sides)
            )
        return training_order(
            pair,
            weights=self._weights,
            noises_per_example=self._augmentation.noises_per_example,
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
        opened = {side: corpora.open(split) for side, corpora in self._corpora.items()}
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


def _step_in_words(batch_size: int, *, num_ranks: int, accumulated: int) -> str:
    """Say how many examples a step has, such as "a step: 48 examples (batches of 12, on 2 processes, 2 per step)"."""
    total = batch_size * num_ranks * accumulated
    parts = [f"batches of {batch_size}"]
    parts += [f"on {num_ranks} processes"] if num_ranks > 1 else []
    parts += [f"{accumulated} per step"] if accumulated > 1 else []
    return f"a step: {total} examples" + (f" ({', '.join(parts)})" if len(parts) > 1 else "")


def _resolved(tasks: Sequence[str | dict[str, Any]], shards: ClipPair) -> list[Task]:
    label_sets = {"signal": shards.signals.label_sets}
    if shards.noises is not None:
        label_sets["noise"] = shards.noises.label_sets
    resolved = [resolve_task(task, label_sets) for task in tasks]
    names = [task.name for task in resolved]
    if len(set(names)) < len(names):
        raise TaskError(f"a task is named twice in {names}")
    return resolved
