"""What an open sound is, whatever decodes it: samples of any stretch, or an error that says why not."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

AudioSource = str | Path | bytes | BinaryIO

UNKNOWN_LENGTH = 2**63 - 1
"""libsndfile's number of samples in streams that do not state it."""

MAX_SAMPLES = 2**31
"""Longest stretch that is read at once: 12 hours at 48 kHz, 8 GiB. A small file can claim, or unpack to, far more."""

_HEAD_BYTES = 512


class AudioError(ValueError):
    """A sound that cannot be used; the message names it and the reason.

    Args:
        message: Which sound, and what is wrong with it.
        kind: The reason in a word or two, to count by: "missing", "broken", "cut short", "empty", "not finite", ...
    """

    def __init__(self, message: str, *, kind: str = "broken") -> None:
        super().__init__(message)
        self.kind = kind


class Sound(Protocol):
    """An open sound.

    Attributes:
        name: Its name, for errors.
        sample_rate_hz: Its sample rate in Hz.
        num_channels: Number of channels.
        num_samples: Samples per channel; `UNKNOWN_LENGTH` if that is not known before all are decoded.
        channel: Channel to decode, counted from 1; None is the mean of all channels.
    """

    channel: int | None

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def sample_rate_hz(self) -> int: ...  # noqa: D102
    @property
    def num_channels(self) -> int: ...  # noqa: D102
    @property
    def num_samples(self) -> int: ...  # noqa: D102

    def read(self, first: int, num_samples: int | None) -> np.ndarray:
        """Decode samples `first` to `first + num_samples`, or to the end; see `read_mono`."""
        ...


def source_name(source: AudioSource) -> str:
    """Name of a sound for messages, which can be printed and written whatever bytes the name is made of."""
    if isinstance(source, bytes):
        return f"<{len(source)} bytes of audio>"
    name = str(source) if isinstance(source, str | Path) else str(getattr(source, "name", "<audio stream>"))
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def to_mono(samples: np.ndarray, name: str, channel: int | None = None) -> np.ndarray:
    """Average (T, channels) samples over channels, or keep one channel, counted from 1.

    Raises:
        AudioError: Some are not finite.
    """
    if not np.isfinite(samples).all():
        raise AudioError(f"{name}: has samples that are not finite (NaN or infinity)", kind="not finite")
    if channel is not None or samples.shape[1] == 1:
        return samples[:, (channel or 1) - 1]
    return samples.mean(axis=1)


def join(pieces: list[np.ndarray]) -> np.ndarray:
    """Concatenate pieces of (T,) samples."""
    if len(pieces) == 1:
        return pieces[0]
    return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.float32)


def check_length(num_samples: int, name: str) -> None:
    """Refuse stretches that would fill the memory.

    Raises:
        AudioError: There are more than `MAX_SAMPLES`.
    """
    if num_samples > MAX_SAMPLES:
        raise AudioError(
            f"{name}: more than {MAX_SAMPLES} samples, too many to read at once; give a start and an end",
            kind="too long",
        )


def ends_before(name: str, num_samples: int, first: int, sample_rate_hz: int) -> AudioError:
    """The error of a stretch that starts after the end of its file."""
    if not num_samples:
        return AudioError(f"{name}: empty: it has no samples", kind="empty")
    duration_s, start_s = num_samples / sample_rate_hz, first / sample_rate_hz
    return AudioError(
        f"{name}: its {num_samples} frames end before {start_s:g} s, where the stretch starts: it lasts "
        f"{duration_s:g} s",
        kind="empty",
    )


def head_of(source: AudioSource, num_bytes: int = _HEAD_BYTES) -> bytes:
    """First bytes of a source; none if it cannot be read."""
    try:
        if isinstance(source, bytes):
            return source[:num_bytes]
        if isinstance(source, str | Path):
            with open(source, "rb") as file:
                return file.read(num_bytes)
        place = source.tell()
        source.seek(0)
        head = source.read(num_bytes)
        source.seek(place)
    except (OSError, ValueError):
        return b""
    return head
