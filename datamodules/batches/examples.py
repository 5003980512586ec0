"""From a draw (which clips, which random numbers) to an example, and from examples to a batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from datamodules.batches.augmentation.more_noises import layered_noises
from datamodules.batches.augmentation.plan import AugmentationPlan, DrawnAugmentations
from datamodules.batches.mixing import (
    PUBLISHED_SNR_DB,
    crop_noise,
    crop_signal,
    draw_shift,
    heard_ratio,
    mix,
    place_signal,
)
from datamodules.batches.order import Draw
from datamodules.batches.random_streams import Purpose, generator
from datamodules.batches.targets import Target, Targets
from datamodules.shards.clip_sources import ClipSource
from datamodules.shards.joined_clips import is_streamed
from datamodules.shards.reader import Clip
from datamodules.tasks import Side, Task

SignalCrop = Literal["midpoint", "anywhere"]

SECOND_CROPS = {
    Purpose.TRAINING_EXAMPLE: Purpose.SECOND_CROP,
    Purpose.VALIDATION_EXAMPLE: Purpose.VALIDATION_SECOND_CROP,
}
"""Stream of random numbers of second crops, by that of the examples."""


@dataclass(frozen=True)
class MixtureSettings:
    """How mixtures are drawn.

    Args:
        num_samples: Length of an example.
        snr_db: Signal-to-noise ratios are uniform between these two, in dB.
        signal_only_fraction: Probability of an example without noise.
        noise_only_fraction: Probability of an example without signal.
        jitter_s: Signals are shifted in time by up to this much, in seconds.
        signal_crop: Where the stretch of a signal is: around its "midpoint", or "anywhere" in its clip.
        second_crop: Whether examples have a second crop of the same sound.
    """

    num_samples: int
    snr_db: tuple[float, float] = PUBLISHED_SNR_DB
    signal_only_fraction: float = 0.0
    noise_only_fraction: float = 0.0
    jitter_s: float = 0.0
    signal_crop: SignalCrop = "midpoint"
    second_crop: bool = False


class Example(NamedTuple):
    """One mixture and its targets.

    Args:
        waveform: (T,) float32.
        targets: For each task the class number, or (C,) float32 of 0 and 1; `UNLABELLED` or NaN if the clip is
            unlabelled.
        snr_db: Signal-to-noise ratio; +inf without noise, -inf without signal.
        draw: Epoch and position, the key of its random numbers.
        second_crop: (T,) float32, another crop of the same sound, in other noise; None unless it is asked for.
        for_device: Values for `datamodules.batches.augmentation.on_device`.
    """

    waveform: np.ndarray
    targets: dict[str, Target]
    snr_db: float
    draw: tuple[int, int] = (0, 0)
    second_crop: np.ndarray | None = None
    for_device: dict[str, np.ndarray] | None = None


class UnmixedExample(NamedTuple):
    """The parts of one mixture, and its targets, for `datamodules.batches.batch_mixing`.

    Args:
        signal: (T,) float32, in its place; zeros if it is not heard.
        noise: (T,) float32; zeros if it is not heard.
        targets: As in `Example`.
        snr_db: As in `Example`.
        draw: As in `Example`.
        for_device: As in `Example`.
    """

    signal: np.ndarray
    noise: np.ndarray
    targets: dict[str, Target]
    snr_db: float
    draw: tuple[int, int] = (0, 0)
    for_device: dict[str, np.ndarray] | None = None


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
        augmentation: What else is done to examples; by default nothing.
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
        augmentation: AugmentationPlan | None = None,
    ) -> None:
        self.signals = signals
        self.noises = noises
        self.settings = settings
        self.seed = seed
        self.purpose = purpose
        self.fixed_snr_db = fixed_snr_db
        self.is_mixed = is_mixed
        self.augmentation = augmentation or AugmentationPlan(
            (), num_samples=settings.num_samples, sample_rate_hz=signals.sample_rate_hz, seed=seed
        )
        self._targets = Targets(tasks, {"signal": signals, "noise": noises})

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
        changes = self.augmentation.drawn(draw.epoch, draw.position)
        signals = [] if snr_db == -np.inf else [self.signals.read(draw.signal, whole=False)]
        noises: list[Clip] = []
        if snr_db != np.inf and self.noises is not None:
            numbers = draw.noise, *draw.more_noises[: len(changes.noise_levels_db())]
            noises = [self.noises.read(number, whole=False) for number in numbers]
        window = None  # (T,) of the signal
        if signals:
            window = changes.changed("signal", self._window(signals[0], changes, shift=shift, rng=rng))
        crop = self._noise(noises, changes, rng)
        clips: Mapping[Side, list[Clip]] = {"signal": signals, "noise": noises}
        return self._example(draw, clips, window, crop, snr_db=snr_db, changes=changes)

    def _window(self, clip: Clip, changes: DrawnAugmentations, *, shift: int, rng: np.random.Generator) -> np.ndarray:
        """The stretch of a signal that is heard, with what augmentations need around it."""
        length, middle = changes.windows["signal"]
        if self.settings.signal_crop == "anywhere":
            return crop_signal(clip.waveform, length, rng)
        return place_signal(clip.waveform, clip.midpoint, length, shift=shift, middle=middle)

    def _noise(
        self, noises: Sequence[Clip], changes: DrawnAugmentations, rng: np.random.Generator
    ) -> np.ndarray | None:
        if not noises:
            return None
        length = changes.windows["noise"].num_samples
        first, *others = [crop_noise(clip.waveform, length, rng) for clip in noises]
        return changes.changed("noise", layered_noises(first, others, changes.noise_levels_db()))

    def _example(
        self,
        draw: Draw,
        clips: Mapping[Side, list[Clip]],
        window: np.ndarray | None,
        crop: np.ndarray | None,
        *,
        snr_db: float,
        changes: DrawnAugmentations,
    ) -> Example | UnmixedExample:
        names, key = self._names(clips), (draw.epoch, draw.position)
        if self.is_mixed:
            waveform, heard_db = mix(window, crop, snr_db, names=names)
            waveform = changes.changed_mixture(waveform)
            second = self._second_crop(draw, clips) if self.settings.second_crop else None
            targets = self._targets.of(clips, heard_db)
            return Example(waveform, targets, heard_db, key, second, changes.for_device())
        heard_db = heard_ratio(window, crop, snr_db, names=names)
        if window is None or heard_db == -np.inf:
            window = np.zeros(changes.num_samples_from_loader("signal"), dtype=np.float32)
        if crop is None or heard_db == np.inf:
            crop = np.zeros(changes.num_samples_from_loader("noise"), dtype=np.float32)
        return UnmixedExample(window, crop, self._targets.of(clips, heard_db), heard_db, key, changes.for_device())

    def _second_crop(self, draw: Draw, clips: Mapping[Side, list[Clip]]) -> np.ndarray:
        """Another crop of the signal, in another noise at another ratio, or of the noise if that is heard alone."""
        settings, purpose = self.settings, SECOND_CROPS[self.purpose]
        changes = self.augmentation.drawn(draw.epoch, draw.position, is_second=True)
        rng = generator(seed=self.seed, purpose=purpose, epoch=draw.epoch, position=draw.position)
        snr_db = rng.uniform(*settings.snr_db) if self.fixed_snr_db is None else self.fixed_snr_db
        noises = clips["noise"][:1]
        if clips["signal"] and noises and self.noises is not None and not is_streamed(self.noises):
            # Streamed clips come in their own order.
            noises = [self.noises.read(int(rng.integers(len(self.noises))), whole=False)]
        window = None
        if clips["signal"]:
            length = changes.windows["signal"].num_samples
            window = changes.changed("signal", crop_signal(clips["signal"][0].waveform, length, rng))
        crop = self._noise(noises, changes, rng)
        names = self._names({**clips, "noise": noises})
        return changes.changed_mixture(mix(window, crop, snr_db, names=names).waveform)

    def _ratio(self, which: float, snr_db: float) -> float:
        if self.fixed_snr_db is not None:
            return self.fixed_snr_db
        if self.noises is None or which < self.settings.signal_only_fraction:
            return np.inf
        if which >= 1.0 - self.settings.noise_only_fraction:
            return -np.inf
        return snr_db

    def _names(self, clips: Mapping[Side, Sequence[Clip]]) -> str:
        folders = {"signal": self.signals.folder, "noise": self.noises and self.noises.folder}
        return " and ".join(f"{side} {clip.key!r} of {folders[side]}" for side in clips for clip in clips[side])


SOUNDS = ("waveform", "signal", "noise", "second_crop")
"""Fields of examples that are sounds."""


def collate(examples: Sequence[Example | UnmixedExample]) -> dict[str, Any]:
    """Collate B examples into a batch.

    Args:
        examples: The examples.

    Returns:
        `waveform` (B, T) float32; `targets`, for each task (B,) int64 or (B, C) float32; `snr_db` (B,) float32; `draw`
        (B, 2) int64, epoch and position; and, if the examples have one, `second_crop` (B, T) float32. Unmixed examples
        have `signal` and `noise`, (B, T) float32, in place of `waveform`. With augmentations on the device,
        `augmentation` holds their values, (B, ...) by name.
    """
    sounds = [name for name in SOUNDS if getattr(examples[0], name, None) is not None]
    batch = {
        **{name: _stacked([getattr(example, name) for example in examples]) for name in sounds},
        "targets": {name: _stacked([example.targets[name] for example in examples]) for name in examples[0].targets},
        "snr_db": torch.tensor([example.snr_db for example in examples], dtype=torch.float32),
        "draw": torch.tensor([example.draw for example in examples], dtype=torch.int64),
    }
    if drawn := [example.for_device for example in examples if example.for_device]:
        batch["augmentation"] = {name: _stacked([values[name] for values in drawn]) for name in drawn[0]}
    return batch


def _stacked(values: Sequence[Any]) -> torch.Tensor:
    return torch.from_numpy(np.stack([np.asarray(value) for value in values]))
