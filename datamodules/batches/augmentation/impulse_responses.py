"""Impulse responses of rooms, aligned by their direct sound and kept in memory."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.audio import read_stretch
from datamodules.batches.settings_error import DataSettingsError
from datamodules.demo.rooms import draw_room, response_of
from datamodules.folders.sound_folders import SoundFolderError, find_sounds

_FADED = 0.1
"""Fraction of a response that is faded if it is too long."""

_SEED = 20_160
"""Simulated rooms are the same in all runs."""


class _Rooms(ABC):
    """Rooms by number. What was made stays in the memory of this process."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int], np.ndarray] = {}

    @abstractmethod
    def __len__(self) -> int:
        """Number of rooms."""

    @abstractmethod
    def describe(self, room: int) -> str:
        """Say in a few words which room it is."""

    @abstractmethod
    def response(self, room: int, sample_rate_hz: int) -> np.ndarray:
        """Impulse response of a room, (K,), with its direct sound as the largest sample."""

    def taps(self, room: int, sample_rate_hz: int, *, num_before: int, num_taps: int) -> np.ndarray:
        """Impulse response with its direct sound at a given tap.

        Args:
            room: Number of the room.
            sample_rate_hz: Sample rate in Hz.
            num_before: Tap of the direct sound.
            num_taps: Number of taps; longer responses are faded out, shorter ones followed by zeros.

        Returns:
            (num_taps,) float32.
        """
        if (room, sample_rate_hz) not in self._kept:
            self._kept[room, sample_rate_hz] = self.response(room, sample_rate_hz).astype(np.float32)
        response = self._kept[room, sample_rate_hz]
        direct = int(np.abs(response).argmax())
        first = max(0, direct - num_before)
        taps = np.zeros(num_taps, dtype=np.float32)
        start = num_before - (direct - first)
        part = response[first : first + num_taps - start]
        taps[start : start + len(part)] = part
        if first + num_taps - start < len(response):
            num_faded = max(1, int(_FADED * num_taps))
            taps[-num_faded:] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(1, num_faded + 1, dtype=np.float32) / num_faded)
        return taps

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": {}}


class SimulatedRooms(_Rooms):
    """Rooms of `datamodules.demo.rooms`.

    Args:
        num_rooms: Number of rooms.
    """

    def __init__(self, num_rooms: int) -> None:
        super().__init__()
        self._num_rooms = num_rooms

    def __len__(self) -> int:
        """Number of rooms."""
        return self._num_rooms

    def describe(self, room: int) -> str:
        """Decay time and level of the direct sound."""
        drawn = draw_room(self._rng(room))
        return f"{drawn.decay_s:.2f} s, direct sound {drawn.direct_db:+.0f} dB"

    def response(self, room: int, sample_rate_hz: int) -> np.ndarray:
        """Simulate a room."""
        rng = self._rng(room)
        return response_of(draw_room(rng), rng, sample_rate_hz)

    def _rng(self, room: int) -> np.random.Generator:
        return np.random.default_rng((_SEED, room))


class RecordedRooms(_Rooms):
    """Impulse responses in a folder.

    Args:
        folder: The folder.

    Raises:
        DataSettingsError: It has no sounds.
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        try:
            self._paths = find_sounds(Path(folder))
        except SoundFolderError as error:
            raise DataSettingsError(f"Reverberation: {error}") from error

    def __len__(self) -> int:
        """Number of rooms."""
        return len(self._paths)

    def describe(self, room: int) -> str:
        """Name of the file."""
        return self._paths[room].name

    def response(self, room: int, sample_rate_hz: int) -> np.ndarray:
        """Read a response, at the sample rate.

        Raises:
            AudioError: The file cannot be read.
            DataSettingsError: It is silent.
        """
        response = read_stretch(self._paths[room], sample_rate_hz=sample_rate_hz, channel=1).waveform
        largest = float(np.abs(response).max())
        if largest == 0:
            raise DataSettingsError(f"{self._paths[room]}: the impulse response is silent; remove the file")
        scaled: np.ndarray = response / largest
        return scaled
