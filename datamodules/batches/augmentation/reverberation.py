"""Reverberation: simulated rooms, or a folder of recorded impulse responses."""

from typing import Any

import numpy as np

from datamodules.batches.augmentation.augmentation import Parameters, Place
from datamodules.batches.augmentation.filtering import Filtering, FrequencyResponse
from datamodules.batches.augmentation.impulse_responses import RecordedRooms, SimulatedRooms
from datamodules.batches.settings_error import DataSettingsError

_BEFORE_S = 0.0025
"""What a response has before its direct sound, such as the ringing of a resampled recording."""

MOST_KEPT = 300
"""Frequency responses that are kept: of examples of 2 s at 20 kHz, each has about 0.2 MB."""


class Reverberation(Filtering):
    """Puts a sound into a random room.

    The direct sound stays where it was in time. Reverberation of what precedes the example in its clip is heard, too.
    Two of these, on the signal and on the noise, draw two rooms; one on the mixture draws one room for both.

    Args:
        folder: Folder of recorded impulse responses, sounds of any format and sample rate, also in subfolders; the
            first channel of each is used. By default, rooms are simulated by `datamodules.demo.rooms`.
        num_rooms: Number of simulated rooms, which are kept in the memory of each worker: about 0.2 MB each.
        longest_s: Responses are faded out at this duration.
        applies_to: What is changed: signal, noise or mixture.
        probability: Fraction of the examples that are changed.

    Raises:
        DataSettingsError: A value is out of its range, or the folder has no sounds.
    """

    def __init__(
        self,
        *,
        folder: str | None = None,
        num_rooms: int = 250,
        longest_s: float = 1.0,
        applies_to: Place = "signal",
        probability: float = 1.0,
    ) -> None:
        super().__init__(applies_to=applies_to, probability=probability)
        if num_rooms < 1 or not 0 < longest_s <= 10:
            raise DataSettingsError(
                "Reverberation: num_rooms must be at least 1 and longest_s between 0 and 10 s, got "
                f"{num_rooms} and {longest_s}"
            )
        self.rooms: RecordedRooms | SimulatedRooms = (
            SimulatedRooms(num_rooms) if folder is None else RecordedRooms(folder)
        )
        self.num_rooms, self.longest_s = len(self.rooms), longest_s
        self._responses: dict[tuple[int, int, int], FrequencyResponse] = {}

    def draw(self, rng: np.random.Generator, sample_rate_hz: int) -> Parameters:
        """Draw a room."""
        return {"room": int(rng.integers(len(self.rooms)))}

    def describe(self, *, room: int) -> str:  # type: ignore[override]  # its own parameters
        """Name the room."""
        return f"Reverberation {self.rooms.describe(room)}"

    def num_taps(self, sample_rate_hz: int) -> int:
        """Length of every impulse response."""
        return self.latency(sample_rate_hz) + max(1, round(self.longest_s * sample_rate_hz))

    def latency(self, sample_rate_hz: int) -> int:
        """Tap of the direct sound."""
        return round(_BEFORE_S * sample_rate_hz)

    def kernel(self, sample_rate_hz: int, *, room: int) -> np.ndarray:  # type: ignore[override]
        """Impulse response of a room, with zeros at the end."""
        return self.rooms.taps(
            room, sample_rate_hz, num_before=self.latency(sample_rate_hz), num_taps=self.num_taps(sample_rate_hz)
        )

    def response_to(self, num_samples: int, sample_rate_hz: int, *, room: int) -> FrequencyResponse:  # type: ignore[override]
        """Frequency response of a room; those of the first `MOST_KEPT` rooms that are drawn are kept in memory."""
        key = room, num_samples, sample_rate_hz
        if (kept := self._responses.get(key)) is not None:
            return kept
        response = super().response_to(num_samples, sample_rate_hz, room=room)
        if len(self._responses) < MOST_KEPT:
            self._responses[key] = response
        return response

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_responses": {}}
