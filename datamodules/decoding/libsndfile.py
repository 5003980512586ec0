"""Decoding sound files: any stretch of samples, in any format, or an error that says why not."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from datamodules.decoding.length_claims import NIST_HEADER_BYTES, NO_OGG_END, samples_of_gsm, shortfall
from datamodules.decoding.media import is_media, open_media
from datamodules.decoding.mp3_length import num_samples_of, num_samples_of_file
from datamodules.decoding.sound import (
    UNKNOWN_LENGTH,
    AudioError,
    AudioSource,
    Sound,
    check_length,
    ends_before,
    head_of,
    join,
    source_name,
    to_mono,
)
from networks.files.lfs_pointers import IS_POINTER, is_pointer

_BLOCK_SIZE = 2**24
"""Samples of all channels that are decoded at once, 64 MiB: memory follows what is there, not what a header claims."""

_UNTRUSTED_END = 2**17
"""The last samples of a file that was cut are wrong in formats with blocks: longer than any block of theirs."""

_PLAIN_SUBTYPES = ("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW")
_BLOCKED_FORMATS = ("FLAC", "PAF", "SDS")

_VARYING_RATE = "an MP3 file of varying bit rate without a Xing header, in which libsndfile does not find its way"
_MP3_FRAME = 1152
"""Samples per channel in a frame."""


@contextmanager
def open_sound(source: AudioSource) -> Iterator[Sound]:
    """Open a sound with libsndfile, or else with FFmpeg if it is in a format of FFmpeg's.

    Args:
        source: Path, bytes of a file, or open binary file.

    Yields:
        The sound.

    Raises:
        AudioError: The file is missing, empty or broken, or in a format that nothing here decodes.
    """
    name = source_name(source)
    if isinstance(source, str | Path) and not os.path.isfile(source):
        raise AudioError(f"{name}: no such audio file", kind="missing")
    opened = _opened(source)
    try:
        file = soundfile.SoundFile(opened)
    except (soundfile.SoundFileError, OSError, ValueError, TypeError) as error:
        other = _other_decoder(source, name, error)
    else:
        with file:
            found = _LibsndfileSound(file, name, source)
            if found.is_complete:
                yield found
                return
        other = open_media(source, name, why=_VARYING_RATE)
    with other as sound:
        yield sound


class _LibsndfileSound:
    """A sound that libsndfile reads."""

    channel: int | None = None

    def __init__(self, file: soundfile.SoundFile, name: str, source: AudioSource) -> None:
        self._file, self._source, self.name = file, source, name
        self.sample_rate_hz: int = file.samplerate
        self.num_channels: int = file.channels
        self.num_samples: int = file.frames
        self.is_complete = True
        if file.subtype == "GSM610" and file.format in ("WAV", "WAVEX"):
            self.num_samples = samples_of_gsm(file.extra_info, self.num_samples)
        if file.format == "MP3" and (counted := self._count_mp3()) is not None:
            # More than a frame is missing if libsndfile has estimated the length at a varying bit rate.
            self.is_complete = counted <= self.num_samples + _MP3_FRAME
            self.num_samples = min(self.num_samples, counted)
        if self.num_samples == UNKNOWN_LENGTH:
            # soundfile seeks after each reading, which fails at the end of a stream of unknown length. This makes it
            # read such a stream from the start to the end.
            file._info.seekable = 0

    def read(self, first: int, num_samples: int | None) -> np.ndarray:
        """See `read_mono`."""
        end = self.num_samples if num_samples is None else first + num_samples
        if first >= self.num_samples:
            self._check_claims(end)
            raise ends_before(self.name, self.num_samples, first, self.sample_rate_hz)
        try:
            self._go_to(first)
            samples = self._decode(min(end, self.num_samples) - first)
        except soundfile.SoundFileError as error:
            raise AudioError(f"{self.name}: damaged or cut short{reason_of(error)}") from error
        self._check_claims(end)
        if self.num_samples != UNKNOWN_LENGTH and first + len(samples) < min(end, self.num_samples):
            raise AudioError(
                f"{self.name}: cut short: it holds {first + len(samples)} of the {self.num_samples} samples per "
                "channel that it claims",
                kind="cut short",
            )
        return samples

    def _go_to(self, first: int) -> None:
        if first and self._file.seekable():
            self._file.seek(first)
            return
        while first > 0:
            num_skipped = len(self._file.read(min(first, self._block), dtype="float32"))
            first -= num_skipped
            if not num_skipped:
                return

    def _decode(self, num_samples: int) -> np.ndarray:
        pieces, num_read = [], 0
        while num_read < num_samples:
            wanted = min(num_samples - num_read, self._block)
            samples = self._file.read(wanted, dtype="float32", always_2d=True)  # (T, channels)
            pieces.append(to_mono(samples, self.name, self.channel))
            num_read += len(samples)
            check_length(num_read, self.name)
            if len(samples) < wanted:
                break
        return join(pieces)

    def _check_claims(self, end: int) -> None:
        """Refuse a stretch that reaches what is missing of a file that was cut."""
        file = self._file
        is_plain = file.subtype.startswith(_PLAIN_SUBTYPES) and file.format not in _BLOCKED_FORMATS
        if end < self.num_samples - (0 if is_plain else _UNTRUSTED_END):
            return
        missing = shortfall(file.extra_info, file.format, self.num_samples, self._header)
        if missing is not None and not (missing == NO_OGG_END and end < self.num_samples):
            raise AudioError(f"{self.name}: cut short: {missing}", kind="cut short")

    def _count_mp3(self) -> int | None:
        if isinstance(self._source, str | Path):
            return num_samples_of_file(self._source)
        return num_samples_of(head_of(self._source, -1) if not isinstance(self._source, bytes) else self._source)

    def _header(self) -> str:
        return head_of(self._source, NIST_HEADER_BYTES).decode("latin-1")

    @property
    def _block(self) -> int:
        return max(1, _BLOCK_SIZE // self.num_channels)


def reason_of(error: Exception) -> str:
    """What libsndfile says of an error, in brackets; "" if that is nothing."""
    text = str(getattr(error, "error_string", error)).strip().rstrip(".")
    return f" ({text})" if text else ""


def _other_decoder(source: AudioSource, name: str, error: Exception) -> AbstractContextManager[Sound]:
    """FFmpeg's decoder, or the error that says what is wrong with the file."""
    head = head_of(source)
    if is_media(head):
        return open_media(source, name)
    if isinstance(source, str | Path) and not os.access(source, os.R_OK):
        raise AudioError(f"{name}: may not be read (permission denied)") from error
    if not head:
        raise AudioError(f"{name}: empty: it has no bytes", kind="empty") from error
    if is_pointer(head):
        raise AudioError(f"{name}: {IS_POINTER}", kind="missing") from error
    raise AudioError(f"{name}: cannot be read as audio{reason_of(error)}") from error


def _opened(source: AudioSource) -> str | bytes | BinaryIO:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if not isinstance(source, str | Path):
        return source
    # As bytes where names are bytes, as soundfile refuses names that are not UTF-8.
    return str(source) if os.name == "nt" else os.fsencode(source)
