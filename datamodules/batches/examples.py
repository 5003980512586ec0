"""From a draw (which clips, which random numbers) to an example, and from examples to a batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from datamodules.batches.mixing import PUBLISHED_SNR_DB, crop_noise, draw_shift, heard_ratio, mix, place_signal
from datamodules.batches.order import Draw, Purpose, generator
from datamodules.shards.clip_sources import ClipSource
from datamodules.shards.reader import Clip
from datamodules.tasks import UNLABELLED, Task


@dataclass(frozen=True)
class MixtureSettings:
    """How mixtures are drawn.

    Args:
        num_samples: Length of an example.
        snr_db: Signal-to-noise ratios are uniform between these two, in dB.
        signal_only_fraction: Probability of an example without noise.
        noise_only_fraction: Probability of an example without signal.
        jitter_s: Signals are shifted in time by up to this much, in seconds.
    """

    num_samples: int
    snr_db: tuple[float, float] = PUBLISHED_SNR_DB
    signal_only_fraction: float = 0.0
    noise_only_fraction: float = 0.0
    jitter_s: float = 0.0


class Example(NamedTuple):
    """One mixture and its targets.

    Args:
        waveform: (T,) float32.
        targets: For each task the class number, or (C,) float32 of 0 and 1; `UNLABELLED` or NaN if the clip is
            unlabelled.
        snr_db: Signal-to-noise ratio; +inf without noise, -inf without signal.
    """

    waveform: np.ndarray
    targets: dict[str, int | np.ndarray]
    snr_db: float


class UnmixedExample(NamedTuple):
    """The parts of one mixture, and its targets, for `datamodules.batches.batch_mixing`.

    Args:
        signal: (T,) float32, in its place; zeros if it is not heard.
        noise: (T,) float32; zeros if it is not heard.
        targets: As in `Example`.
        snr_db: As in `Example`.
    """

    signal: np.ndarray
    noise: np.ndarray
    targets: dict[str, int | np.ndarray]
    snr_db: float


class MixtureDataset(Dataset[Example | UnmixedExample]):
    """Examples by draw: an index is a `Draw`, on which alone the example depends.

    Args:
        signals: The signal clips.
        noises: The noise clips; None for quiet.
        tasks: The tasks, resolved against these shard sets.
        settings: How mixtures are drawn.
        seed: Seed of the run.
        purpose: Stream of random numbers: that of training or of validation.
        fixed_snr_db: Ratio of every example; +inf is the signal alone, -inf the noise alone, None draws ratios.
        is_mixed: Whether examples are mixtures rather than their parts.
    """

    def __init__(
        self,
        signals: ClipSource,
        noises: ClipSource | None,
        tasks: Sequence[Task],
        settings: MixtureSettings,
        *,
        seed: int,
        purpose: Purpose = Purpose.TRAINING_EXAMPLE,
        fixed_snr_db: float | None = None,
        is_mixed: bool = True,
    ) -> None:
        self.signals = signals
        self.noises = noises
        self.tasks = tuple(tasks)
        self.settings = settings
        self.seed = seed
        self.purpose = purpose
        self.fixed_snr_db = fixed_snr_db
        self.is_mixed = is_mixed
        self._classes = {task.name: self._class_map(task) for task in tasks}

    def __len__(self) -> int:
        """Examples per epoch."""
        return len(self.signals)

    def __getitem__(self, draw: Draw) -> Example | UnmixedExample:
        """Make the example of a draw.

        Raises:
            ShardError: A shard does not match its index.
            MixingError: There is nothing to hear.
        """
        settings = self.settings
        rng = generator(seed=self.seed, purpose=self.purpose, epoch=draw.epoch, position=draw.position)
        # Every number is always drawn, so that conditions differ in their ratio alone.
        which, snr_db = rng.random(), rng.uniform(*settings.snr_db)
        shift = draw_shift(rng, settings.jitter_s, self.signals.sample_rate_hz)
        snr_db = self._ratio(which, snr_db)
        signal = None if snr_db == -np.inf else self.signals.read(draw.signal)
        noise = None if snr_db == np.inf or self.noises is None else self.noises.read(draw.noise)
        window, crop = None, None  # (T,) each
        if signal is not None:
            window = place_signal(signal.waveform, signal.midpoint, settings.num_samples, shift=shift)
        if noise is not None:
            crop = crop_noise(noise.waveform, settings.num_samples, rng)
        names = self._names(signal, noise)
        if self.is_mixed:
            waveform, heard_db = mix(window, crop, snr_db, names=names)
            return Example(waveform, self._targets(signal, noise, heard_db), heard_db)
        heard_db = heard_ratio(window, crop, snr_db, names=names)
        silence = np.zeros(settings.num_samples, dtype=np.float32)
        return UnmixedExample(
            silence if window is None or heard_db == -np.inf else window,
            silence if crop is None or heard_db == np.inf else crop,
            self._targets(signal, noise, heard_db),
            heard_db,
        )

    def _targets(self, signal: Clip | None, noise: Clip | None, heard_db: float) -> dict[str, int | np.ndarray]:
        # The mixture's own ratio shows which side can be heard: a silent stretch has the null class, too.
        clips = {"signal": signal, "noise": noise}
        heard = {"signal": heard_db != -np.inf, "noise": heard_db != np.inf}
        return {task.name: self._target(task, clips[task.side], heard[task.side]) for task in self.tasks}

    def _ratio(self, which: float, snr_db: float) -> float:
        if self.fixed_snr_db is not None:
            return self.fixed_snr_db
        if self.noises is None or which < self.settings.signal_only_fraction:
            return np.inf
        if which >= 1.0 - self.settings.noise_only_fraction:
            return -np.inf
        return snr_db

    def _target(self, task: Task, clip: Clip | None, heard: bool) -> int | np.ndarray:
        null = () if task.null_index is None else (task.null_index,)
        if clip is not None and (heard or not null):
            found = clip.labels[task.name]
            numbers = (found,) if isinstance(found, int) else found
            if UNLABELLED in numbers:
                return _unlabelled(task)
            indices = [int(self._classes[task.name][i]) for i in numbers]
        else:
            indices = list(null)
        if task.kind == "one_label":
            return indices[0]
        target = np.zeros(task.num_classes, dtype=np.float32)
        target[indices] = 1.0
        return target

    def _class_map(self, task: Task) -> np.ndarray:
        """Class of the task for each class number in the shards; they differ if the task has no null class."""
        shards = self.signals if task.side == "signal" else self.noises
        assert shards is not None, f"task {task.name!r} was not resolved against these shard sets"
        number = {label: place for place, label in enumerate(task.labels)}
        return np.array([number.get(label, -1) for label in shards.label_sets[task.name].labels])

    def _names(self, signal: Clip | None, noise: Clip | None) -> str:
        parts = []
        if signal is not None:
            parts.append(f"signal {signal.key!r} of {self.signals.folder}")
        if noise is not None and self.noises is not None:
            parts.append(f"noise {noise.key!r} of {self.noises.folder}")
        return " and ".join(parts)


def _unlabelled(task: Task) -> int | np.ndarray:
    if task.kind == "one_label":
        return UNLABELLED
    return np.full(task.num_classes, np.nan, dtype=np.float32)


def collate(examples: Sequence[Example | UnmixedExample]) -> dict[str, Any]:
    """Collate B examples into a batch.

    Args:
        examples: The examples.

    Returns:
        `waveform` (B, T) float32; `targets`, for each task (B,) int64 or (B, C) float32; and `snr_db` (B,) float32.
        Unmixed examples have `signal` and `noise`, (B, T) float32, in place of `waveform`.
    """
    targets: Mapping[str, Any] = {
        name: torch.from_numpy(np.stack([np.asarray(example.targets[name]) for example in examples]))
        for name in examples[0].targets
    }
    sounds = [name for name in examples[0]._fields if name in ("waveform", "signal", "noise")]
    return {
        **{name: torch.from_numpy(np.stack([getattr(example, name) for example in examples])) for name in sounds},
        "targets": targets,
        "snr_db": torch.tensor([example.snr_db for example in examples], dtype=torch.float32),
    }
