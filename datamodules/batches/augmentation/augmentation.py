"""What an augmentation is, and the three kinds that a user may write."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import numpy as np
from torch import Tensor

from datamodules.batches.settings_error import DataSettingsError

Place = Literal["signal", "noise", "mixture"]
"""What a sound augmentation changes."""

Parameters = dict[str, Any]
"""What was drawn for one example: numbers, or arrays whose shape is always the same."""


class Window(NamedTuple):
    """A stretch of a clip.

    Args:
        num_samples: Its length.
        middle: The sample of it that becomes the middle of the example.
    """

    num_samples: int
    middle: int


class Augmentation(ABC):
    """A random change in training. Validation is never augmented.

    Args:
        probability: Fraction of the examples that are changed.

    Raises:
        DataSettingsError: It is not between 0 and 1.
    """

    def __init__(self, *, probability: float = 1.0) -> None:
        if not 0 <= probability <= 1:
            raise DataSettingsError(f"{self.name}: probability must be between 0 and 1, got {probability}")
        self.probability = probability

    @property
    def name(self) -> str:
        """Name of the class, for messages."""
        return type(self).__name__

    def settings(self) -> list[Any]:
        """Its class and its attributes that are numbers, texts or lists of these: of a run that resumes, the same."""
        simple = {name: value for name, value in vars(self).items() if name[0] != "_" and _is_simple(value)}
        return [type(self).__qualname__, sorted(simple.items())]

    @abstractmethod
    def draw(self, rng: np.random.Generator, sample_rate_hz: int) -> Parameters:
        """Draw what `apply` needs for one example, from nothing but `rng`."""

    def describe(self, **parameters: Any) -> str:
        """Say what was done, in a few words."""
        return " ".join([self.name, *(f"{name} {_shown(value)}" for name, value in parameters.items())])


class SoundAugmentation(Augmentation):
    """A change of the waveform of a signal, a noise or their mixture, made by the loader.

    A subclass needs `draw` and `apply`; one that changes the length of a sound also needs `source`. A mixture keeps its
    level, unless the augmentation `sets_level`. Signals and noises are mixed at the ratio that was drawn, whatever
    happened to their levels.

    Args:
        applies_to: What is changed.
        probability: Fraction of the examples that are changed.

    Raises:
        DataSettingsError: A value is out of its range.
    """

    places: ClassVar[tuple[Place, ...]] = get_args(Place)
    sets_level: ClassVar[bool] = False
    runs_on_device: ClassVar[bool] = False
    """Whether whole batches can be changed on a device, by `values_for_device` and `apply_to_batch`."""

    def __init__(self, *, applies_to: Place, probability: float = 1.0) -> None:
        super().__init__(probability=probability)
        if applies_to not in self.places:
            raise DataSettingsError(f"{self.name}: applies_to must be one of {list(self.places)}, got {applies_to!r}")
        self.applies_to = applies_to

    @abstractmethod
    def apply(self, waveform: np.ndarray, sample_rate_hz: int, **parameters: Any) -> np.ndarray:
        """Change a sound.

        Args:
            waveform: (T,) float32.
            sample_rate_hz: Sample rate in Hz.
            parameters: What `draw` returned.

        Returns:
            (T,) float; longer than needed is cut at the end.
        """

    def margins(self, sample_rate_hz: int) -> tuple[int, int]:
        """Samples before and after a stretch that its change depends on, by default none."""
        return 0, 0

    def source(self, window: Window, sample_rate_hz: int, **parameters: Any) -> Window:
        """The stretch from which `apply` makes a window (with its margins), by default as long as that."""
        return window

    def values_for_device(self, sample_rate_hz: int, parameters: Parameters | None) -> np.ndarray:
        """What the loader sends to the device for one example, of a shape that is always the same.

        Args:
            sample_rate_hz: Sample rate in Hz.
            parameters: What `draw` returned; None for an example that is not changed.
        """
        raise NotImplementedError(f"{self.name} runs in the loader")

    def apply_to_batch(self, waveforms: Tensor, values: Tensor) -> Tensor:
        """Change B sounds (B, T) on the device, given the values (B, ...) of each; margins are cut off."""
        raise NotImplementedError(f"{self.name} runs in the loader")


class CochleagramAugmentation(Augmentation):
    """A change of cochleagrams between front end and backbone, made on the device. A subclass needs `draw` and `apply`.

    Args:
        probability: Fraction of the examples that are changed.
    """

    @abstractmethod
    def apply(self, cochleagrams: Tensor, **parameters: Tensor) -> Tensor:
        """Change a batch.

        Args:
            cochleagrams: (B, F, N).
            parameters: What `draw` returned for each example, (B,) or (B, ...).

        Returns:
            (B, F, N).
        """


def check_range(
    name: str, values: Sequence[float], *, lowest: float = -np.inf, highest: float = np.inf
) -> tuple[float, float]:
    """Check a setting [low, high].

    Raises:
        DataSettingsError: It is not two finite numbers in order, between `lowest` and `highest`.
    """
    if len(values) != 2 or not lowest <= values[0] <= values[1] <= highest or not np.isfinite(values).all():
        bounds = f" between {lowest:g} and {highest:g}" if np.isfinite([lowest, highest]).any() else ""
        raise DataSettingsError(f"{name} must be [lowest, highest]{bounds}, got {list(values)}")
    return float(values[0]), float(values[1])


def _shown(value: Any) -> str:
    return ", ".join(f"{number:.3g}" for number in np.atleast_1d(value))


def _is_simple(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_simple, value))
    return value is None or isinstance(value, (bool, int, float, str))
