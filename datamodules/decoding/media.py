"""Sounds in formats that libsndfile does not read, such as AAC and the sound of videos: with FFmpeg."""

from __future__ import annotations

import importlib.util
import io
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np

from datamodules.decoding.sound import (
    UNKNOWN_LENGTH,
    AudioError,
    AudioSource,
    Sound,
    check_length,
    ends_before,
    join,
    to_mono,
)

_UNKNOWN_FORMAT = "it is in a format that libsndfile does not read"
HOW_TO_INSTALL = "install ffmpeg, or the extra `media` of this package (torchcodec), to read it"

MEDIA_SUFFIXES = frozenset(
    (
        ".m4a",
        ".m4b",
        ".mp4",
        ".m4v",
        ".mov",
        ".3gp",
        ".aac",
        ".mkv",
        ".mka",
        ".webm",
        ".avi",
        ".flv",
        ".wma",
        ".wmv",
        ".asf",
        ".mpg",
        ".mpeg",
        ".ts",
        ".mts",
        ".amr",
        ".rm",
        ".ape",
        ".wv",
        ".dsf",
        ".ac3",
    )
)
"""Usual endings of these formats, for those who look for sounds; what a file is, its first bytes say."""

_STARTS = {
    b"\x1a\x45\xdf\xa3": "Matroska or WebM",
    b"FLV\x01": "Flash video",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "Windows Media",
    b"\x00\x00\x01\xba": "MPEG video",
    b"#!AMR": "AMR",
    b"ADIF": "AAC",
    b".RMF": "RealMedia",
    b"MAC ": "Monkey's Audio",
    b"wvpk": "WavPack",
    b"DSD ": "DSD",
    b"\x0b\x77": "AC-3",
}
_ADTS_MASK, _ADTS = 0xFFF6, 0xFFF0
"""First two bytes of a frame of AAC without a container."""
_TS_SYNC, _TS_PACKET = 0x47, 188

_HEADER = struct.Struct(">4sIIIII")
"""Of an AU file: magic, offset of the data, size, encoding, sample rate, channels."""
_BLOCK_BYTES = 2**24
_SOURCE_PLACE = re.compile(r"^\w+, \S+:\d+, ")
_WAIT_S = 30.0
_TOLERANCE_S = 0.1
"""Containers state durations to about a frame of the codec."""


def can_decode() -> bool:
    """Whether torchcodec or the program ffmpeg is installed."""
    return _ffmpeg_program() is not None or _audio_decoder() is not None


def _ffmpeg_program() -> str | None:
    return shutil.which("ffmpeg")


def is_media(head: bytes) -> bool:
    """Whether a file is in a format of FFmpeg's, by its first bytes; suffixes may lie, and playlists are not read."""
    if head[4:8] in (b"ftyp", b"moov", b"mdat") or (head[:4] == b"RIFF" and head[8:12] == b"AVI "):
        return True
    if len(head) > _TS_PACKET and head[0] == head[_TS_PACKET] == _TS_SYNC:
        return True
    return head.startswith(tuple(_STARTS)) or (len(head) > 1 and int.from_bytes(head[:2], "big") & _ADTS_MASK == _ADTS)


@contextmanager
def open_media(
    source: AudioSource, name: str, *, why: str = "it is in a format that libsndfile does not read"
) -> Iterator[Sound]:
    """Open a sound or a video with the program ffmpeg, or else with torchcodec.

    The program comes first, as it cuts what codecs add at the end, and reports damage that torchcodec does not.

    Args:
        source: Path, bytes of a file, or open binary file.
        name: Its name, for errors.
        why: Why libsndfile does not read it, for an error.

    Yields:
        The sound.

    Raises:
        AudioError: Neither is installed (the kind is "no decoder"), or the file is broken.
    """
    program = _ffmpeg_program()
    decoder = None if program else _audio_decoder()
    if decoder is None and program is None:
        raise AudioError(f"{name}: {why}; {HOW_TO_INSTALL}", kind="no decoder")
    with _as_path(source) as path:
        if program is None:
            yield _TorchcodecSound(decoder, path, name)
        else:
            with _ffmpeg(program, path, name) as sound:
                yield sound


class _TorchcodecSound:
    """The first sound of a file, as torchcodec decodes it."""

    channel: int | None = None

    def __init__(self, decoder: Any, path: Path, name: str) -> None:
        self.name = name
        try:
            self._decoder = decoder(str(path))
        except (RuntimeError, ValueError) as error:
            raise AudioError(f"{name}: cannot be read as audio ({_reason(error)})") from error
        metadata = self._decoder.metadata
        self.sample_rate_hz = int(metadata.sample_rate)
        self.num_channels = int(metadata.num_channels)
        self.num_samples = UNKNOWN_LENGTH
        self._claimed_s = float(metadata.duration_seconds or 0.0)
        with path.open("rb") as file:
            self._is_mp4 = file.read(8)[4:] == b"ftyp"

    def read(self, first: int, num_samples: int | None) -> np.ndarray:
        """See `Sound.read`; all is decoded, as torchcodec's stretches are not exact in every format."""
        check_length(round(self._claimed_s * self.sample_rate_hz * self.num_channels), self.name)
        try:
            samples = self._decoder.get_all_samples().data.numpy().T  # (T, channels)
        except (RuntimeError, ValueError) as error:
            raise AudioError(f"{self.name}: damaged or cut short ({_reason(error)})") from error
        found_s = len(samples) / self.sample_rate_hz
        if found_s < self._claimed_s - _TOLERANCE_S:
            raise AudioError(
                f"{self.name}: cut short: it holds {found_s:.3f} of the {self._claimed_s:.3f} s that it claims",
                kind="cut short",
            )
        if self._is_mp4 and found_s < self._claimed_s + _TOLERANCE_S:
            # The codec fills its last frame, and the container states how much of it is sound.
            samples = samples[: round(self._claimed_s * self.sample_rate_hz)]
        if first >= len(samples):
            raise ends_before(self.name, len(samples), first, self.sample_rate_hz)
        return to_mono(samples[first : None if num_samples is None else first + num_samples], self.name, self.channel)


class _FfmpegSound:
    """The first sound of a file, as the program ffmpeg writes it into a pipe."""

    channel: int | None = None

    def __init__(self, process: subprocess.Popen[bytes], errors: IO[bytes], name: str) -> None:
        self._process, self._errors, self.name = process, errors, name
        assert process.stdout is not None
        self._pipe = process.stdout
        header = self._pipe.read(_HEADER.size)
        if len(header) < _HEADER.size:
            raise self._failed("cannot be read as audio")
        _, offset, _, _, self.sample_rate_hz, self.num_channels = _HEADER.unpack(header)
        self._pipe.read(offset - _HEADER.size)
        self.num_samples = UNKNOWN_LENGTH

    def read(self, first: int, num_samples: int | None) -> np.ndarray:
        """See `Sound.read`; decoded from the start, as only then are the samples exact."""
        end = None if num_samples is None else first + num_samples
        pieces, num_read = [], 0
        for samples in self._blocks():
            start, num_read = num_read, num_read + len(samples)
            kept = samples[max(0, first - start) : None if end is None else max(0, end - start)]
            if len(kept):
                pieces.append(to_mono(kept, self.name, self.channel))
            check_length(min(num_read, num_read if end is None else end) - first, self.name)
        # Decoded to the end of the file, also if less is wanted: ffmpeg leaves out what is damaged, which shifts the
        # rest, and only at the end is it certain to have said so.
        if self._process.wait(_WAIT_S) or self._complaint():
            raise self._failed("damaged or cut short")
        if not pieces:
            raise ends_before(self.name, num_read, first, self.sample_rate_hz)
        return join(pieces)

    def _blocks(self) -> Iterator[np.ndarray]:
        """(T, channels) samples, block by block."""
        frame = 4 * self.num_channels
        while block := self._pipe.read(max(1, _BLOCK_BYTES // frame) * frame):
            whole = block[: len(block) // frame * frame]
            yield np.frombuffer(whole, dtype=">f4").astype(np.float32).reshape(-1, self.num_channels)

    def _complaint(self) -> str:
        """First line of what ffmpeg has complained of."""
        self._errors.seek(0)
        lines = self._errors.read(2**16).decode("utf-8", "replace").strip().splitlines()
        return lines[0].rpartition("] ")[2] if lines else ""

    def _failed(self, what: str) -> AudioError:
        if self._process.poll() is None and not self._complaint():
            self._process.wait(_WAIT_S)
        return AudioError(f"{self.name}: {what} (ffmpeg: {self._complaint() or 'it has no sound'})")


@contextmanager
def _ffmpeg(program: str, path: Path, name: str) -> Iterator[_FfmpegSound]:
    # `file:` and the whitelist: whatever a name or a file says, nothing but files is opened.
    arguments = ["-v", "error", "-nostdin", "-protocol_whitelist", "file,pipe", "-i", f"file:{path}"]
    wanted = ["-map", "0:a:0", "-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen([program, *arguments, *wanted], stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        try:
            yield _FfmpegSound(process, errors, name)
        finally:
            process.kill()


@cache
def _audio_decoder() -> Any:
    """Decoder of torchcodec; None if it is not installed, or does not find FFmpeg's libraries."""
    if importlib.util.find_spec("torchcodec") is None:
        return None
    try:
        from torchcodec.decoders import AudioDecoder

        AudioDecoder(b"no sound")  # which loads the libraries, in releases whose import does not
    except (ImportError, RuntimeError, OSError, ValueError) as error:
        if "libtorchcodec" in str(error) or isinstance(error, ImportError | OSError):
            return None
    return AudioDecoder


@contextmanager
def _as_path(source: AudioSource) -> Iterator[Path]:
    if isinstance(source, str | Path):
        yield Path(source)
        return
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    file.seek(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound"
        with path.open("wb") as copy:
            shutil.copyfileobj(file, copy)
        yield path


def _reason(error: Exception) -> str:
    """First line of an error of torchcodec, without the place in its source that comes first."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return _SOURCE_PLACE.sub("", lines[0])
