"""The augmentations of a run: which act where, and what they do to an example."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from datamodules.audio import PUBLISHED_RMS, rms, set_rms
from datamodules.batches.augmentation.augmentation import (
    Augmentation,
    CochleagramAugmentation,
    Parameters,
    Place,
    SoundAugmentation,
    Window,
)
from datamodules.batches.augmentation.mixup import Mixup
from datamodules.batches.augmentation.more_noises import MoreNoises
from datamodules.batches.random_streams import Purpose, generator
from datamodules.batches.settings_error import DataSettingsError
from datamodules.tasks import Task

PLACES: tuple[Place, ...] = ("signal", "noise", "mixture")


class AugmentationPlan:
    """The augmentations of a run.

    Args:
        augmentations: The augmentations, in the order in which they are applied.
        num_samples: Length of an example.
        sample_rate_hz: Sample rate in Hz.
        seed: Seed of the run.
        on_device: Mix on the device: sound augmentations that can follow there do so, too.

    Raises:
        DataSettingsError: Two of a kind exclude each other, or one cannot be applied where it is needed.
    """

    def __init__(
        self,
        augmentations: Sequence[Augmentation],
        *,
        num_samples: int,
        sample_rate_hz: int,
        seed: int,
        on_device: bool = False,
    ) -> None:
        self.augmentations = tuple(augmentations)
        self.num_samples = num_samples
        self.sample_rate_hz = sample_rate_hz
        self.seed = seed
        self.sounds = {place: self._numbers_on(place) for place in PLACES}
        self.num_in_loader = {place: self._num_in_loader(place, on_device) for place in PLACES}
        self.cochleagrams = self._numbers_of(CochleagramAugmentation)
        self.mixup = self._only(Mixup)
        self.more_noises = self._only(MoreNoises)
        self._check_kinds()

    @property
    def noises_per_example(self) -> int:
        """Most noise clips of an example."""
        return 1 if self.more_noises is None else 1 + self[self.more_noises].most

    def identity(self) -> dict[str, int]:
        """What a run must share to resume in the middle of an epoch: a number that differs between settings."""
        if not self.augmentations:
            return {}
        return {"augmentation": crc32(repr([one.settings() for one in self.augmentations]).encode())}

    def __getitem__(self, number: int) -> Any:
        """The augmentation of a number."""
        return self.augmentations[number]

    def drawn(self, epoch: int, position: int, *, is_second: bool = False) -> "DrawnAugmentations":
        """Draw what happens to the example of a position, or to its second crop."""
        return DrawnAugmentations(self, epoch, position, is_second=is_second)

    def check(self, tasks: Sequence[Task], *, batch_size: int) -> None:
        """Check what depends on the tasks and on the batches of a rank.

        Raises:
            DataSettingsError: Mixup without many labels or in odd batches, or several noises with one label.
        """
        with_one = [task for task in tasks if task.kind == "one_label"]
        if self.mixup is not None and with_one:
            raise DataSettingsError(
                f"Mixup needs tasks with many labels, but {[task.name for task in with_one]} have one: leave out either"
            )
        if self.mixup is not None and batch_size % 2:
            raise DataSettingsError(
                f"Mixup blends pairs, so that the batch on each rank must be even, got {batch_size}"
            )
        about_noise = [task.name for task in with_one if task.side == "noise"]
        if self.more_noises is not None and about_noise:
            raise DataSettingsError(
                f"MoreNoises gives an example several noises, but {about_noise} have one label: leave out either"
            )

    def _numbers_of(self, kind: type[Any]) -> list[int]:
        return [number for number, one in enumerate(self.augmentations) if isinstance(one, kind)]

    def _numbers_on(self, place: Place) -> list[int]:
        return [number for number in self._numbers_of(SoundAugmentation) if self[number].applies_to == place]

    def _only(self, kind: type[Any]) -> int | None:
        numbers = self._numbers_of(kind)
        if len(numbers) > 1:
            raise DataSettingsError(
                f"augmentation: {kind.__name__} is given {len(numbers)} times, expected at most one"
            )
        return numbers[0] if numbers else None

    def _num_in_loader(self, place: Place, on_device: bool) -> int:
        """How many of the augmentations of a place the loader applies: on a device, the last of them follow there."""
        numbers = self.sounds[place]
        if not on_device:
            return len(numbers)
        in_loader = [count for count, number in enumerate(numbers, start=1) if not self[number].runs_on_device]
        if in_loader and place == "mixture":
            raise DataSettingsError(
                f"{self[numbers[in_loader[-1] - 1]].name} changes mixtures in the loader, but mix_on_device is true: "
                "apply it to the signal, or set mix_on_device to false"
            )
        return max(in_loader, default=0)

    def _check_kinds(self) -> None:
        known = {*self._numbers_of(SoundAugmentation), *self.cochleagrams, self.mixup, self.more_noises}
        for number, one in enumerate(self.augmentations):
            if number not in known:
                raise DataSettingsError(
                    f"{one.name} must derive from SoundAugmentation or CochleagramAugmentation, "
                    f"got {[base.__name__ for base in type(one).__bases__]}"
                )


class _Step(NamedTuple):
    """One augmentation of one example: what was drawn, or None if it is left out."""

    augmentation: Any
    parameters: Parameters | None
    needed: int  # samples of its result


class DrawnAugmentations:
    """What happens to one example.

    Args:
        plan: The augmentations.
        epoch: Epoch of the example.
        position: Its position.
        is_second: Whether it is the second crop of its sound, which is changed in other ways.
    """

    def __init__(self, plan: AugmentationPlan, epoch: int, position: int, *, is_second: bool = False) -> None:
        self._plan = plan
        self._purpose = Purpose.AUGMENTATION_OF_SECOND_CROP if is_second else Purpose.AUGMENTATION
        self._drawn = [self._draw(number, epoch, position) for number in range(len(plan.augmentations))]
        self._steps: dict[Place, list[_Step]] = {}
        mixture = self._through("mixture", Window(plan.num_samples, plan.num_samples // 2))
        self.windows: dict[Place, Window] = {
            "mixture": mixture,
            "signal": self._through("signal", mixture),
            "noise": self._through("noise", mixture),
        }
        """The stretches of signal and noise that the example needs, and how much of their mixture."""

    def changed(self, place: Place, waveform: np.ndarray) -> np.ndarray:
        """Apply what the loader applies to a signal or a noise, a stretch as `windows` says; (T,) float32."""
        for step in self._in_loader(place):
            waveform = self._applied(step, waveform)
        return waveform

    def changed_mixture(self, waveform: np.ndarray) -> np.ndarray:
        """Apply what the loader applies to a mixture, which keeps its level unless that is changed; (T,) float32."""
        level = PUBLISHED_RMS
        for step in self._in_loader("mixture"):
            waveform = self._applied(step, waveform)
            if step.augmentation.sets_level:
                level = rms(waveform)
            else:
                waveform = set_rms(waveform, level)
        return waveform

    def num_samples_from_loader(self, place: Place) -> int:
        """Length of a signal or noise as the loader returns it."""
        steps = self._in_loader(place)
        return steps[-1].needed if steps else self.windows[place].num_samples

    def noise_levels_db(self) -> np.ndarray:
        """Levels of further noises in dB relative to the first, (K,); empty without them."""
        number = self._plan.more_noises
        parameters = None if number is None else self._drawn[number]
        return np.zeros(0) if parameters is None else parameters["levels_db"]

    def for_device(self) -> dict[str, np.ndarray]:
        """What the device needs to know, by number and name; see `datamodules.batches.augmentation.on_device`."""
        return dict(self._for_device())

    def described(self) -> list[str]:
        """What was done, in words, in the order of the configuration."""
        found = []
        for one, parameters in zip(self._plan.augmentations, self._drawn, strict=True):
            if parameters is not None:
                place = f"{one.applies_to}: " if isinstance(one, SoundAugmentation) else ""
                found.append(place + one.describe(**parameters))
        return found

    def _draw(self, number: int, epoch: int, position: int) -> Parameters | None:
        one, plan = self._plan[number], self._plan
        is_pair = number == plan.mixup
        purpose = Purpose.MIXUP if is_pair else self._purpose
        place = position & ~1 if is_pair else position
        rng = generator(seed=plan.seed, purpose=purpose, epoch=epoch, position=place, stream=number)
        is_left_out = rng.random() >= one.probability
        parameters: Parameters = one.draw(rng, plan.sample_rate_hz)
        return None if is_left_out else parameters

    def _through(self, place: Place, window: Window) -> Window:
        """Go back from the result of a place to the stretch that it is made from."""
        rate_hz, steps = self._plan.sample_rate_hz, []
        for number in reversed(self._plan.sounds[place]):
            one, parameters = self._plan[number], self._drawn[number]
            steps.append(_Step(one, parameters, window.num_samples))
            before, after = one.margins(rate_hz)
            window = Window(window.num_samples + before + after, window.middle + before)
            if parameters is not None:
                window = one.source(window, rate_hz, **parameters)
        self._steps[place] = steps[::-1]
        return window

    def _in_loader(self, place: Place) -> list[_Step]:
        return self._steps[place][: self._plan.num_in_loader[place]]

    def _applied(self, step: _Step, waveform: np.ndarray) -> np.ndarray:
        one, parameters, needed = step
        rate_hz = self._plan.sample_rate_hz
        if parameters is None:
            before, _ = one.margins(rate_hz)
            return waveform[before : before + needed]
        result = np.asarray(one.apply(waveform, rate_hz, **parameters), dtype=np.float32)[:needed]
        if result.shape != (needed,):
            raise DataSettingsError(
                f"{one.name}.apply must return at least {needed} samples for {len(waveform)}, got shape {result.shape}"
            )
        return result

    def _for_device(self) -> Iterator[tuple[str, np.ndarray]]:
        plan, rate_hz = self._plan, self._plan.sample_rate_hz
        for place in PLACES:
            for number in plan.sounds[place][plan.num_in_loader[place] :]:
                yield f"{number}.values", plan[number].values_for_device(rate_hz, self._drawn[number])
        for number in plan.cochleagrams:
            parameters = self._drawn[number]
            yield f"{number}.is_changed", np.asarray(parameters is not None)
            yield from (
                (f"{number}.{name}", np.asarray(value, dtype=np.float32))
                for name, value in (parameters or self._neutral(number)).items()
            )
        if plan.mixup is not None:
            drawn = self._drawn[plan.mixup]
            yield f"{plan.mixup}.weight", np.asarray(1.0 if drawn is None else drawn["weight"], dtype=np.float32)

    def _neutral(self, number: int) -> Parameters:
        """Parameters of the right shapes for an example that is left out."""
        return self._plan[number].draw(np.random.default_rng(0), self._plan.sample_rate_hz)
