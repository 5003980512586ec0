"""Lengths of MP3 files without a Xing, Info or VBRI header, whose number of samples libsndfile can only estimate.

The estimate is the size of the file over the bit rate of the first frame. It is some samples too long in files of a
constant bit rate, and entirely wrong if the bit rate varies: libsndfile then stops in the middle of the sound.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import NamedTuple

_TAGS = (b"Xing", b"Info", b"VBRI")
_ID3_HEADER_BYTES = 10
_TAG_WITHIN_BYTES = 256

# ISO/IEC 11172-3 and 13818-3: kbit/s by (is MPEG-1, layer); Hz of MPEG-1, of which MPEG-2 has half, MPEG-2.5 a quarter.
_BIT_RATES = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAMPLE_RATES_HZ = (44_100, 48_000, 32_000)
_RATE_DIVISORS = {3: 1, 2: 2, 0: 4}


class _Frame(NamedTuple):
    """What the header of a frame says."""

    num_bytes: int
    num_samples: int


def num_samples_of(data: bytes) -> int | None:
    """Count the samples per channel in all frames of an MP3 file.

    Args:
        data: The bytes of the file.

    Returns:
        The number of samples; None if a header of the file states it, or no frames are found.
    """
    place = _after_id3(data)
    first = data[place : place + _TAG_WITHIN_BYTES]
    if any(tag in first for tag in _TAGS):
        return None
    num_samples = 0
    while 0 <= place < len(data) - 4:
        frame = _frame(data[place : place + 4])
        if frame is None:
            place = data.find(b"\xff", place + 1)
            continue
        place += frame.num_bytes
        if place <= len(data):
            num_samples += frame.num_samples
    return num_samples or None


def num_samples_of_file(path: str | os.PathLike[str]) -> int | None:
    """As `num_samples_of`, of a file; remembered, as a build reads many stretches of a file one after the other."""
    state = os.stat(path)
    return _remembered(os.fspath(path), state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=64)
def _remembered(path: str, _size: int, _changed_ns: int) -> int | None:
    with open(path, "rb") as file:
        return num_samples_of(file.read())


def _after_id3(data: bytes) -> int:
    """Where the frames begin, after an ID3v2 tag."""
    if data[:3] != b"ID3" or len(data) < _ID3_HEADER_BYTES:
        return 0
    size = 0
    for byte in data[6:_ID3_HEADER_BYTES]:
        size = size * 128 + (byte & 127)
    return _ID3_HEADER_BYTES + size


def _frame(header: bytes) -> _Frame | None:
    """Read the four bytes of a frame's header; None if they are none."""
    bits = int.from_bytes(header, "big")
    version, layer = bits >> 19 & 3, 4 - (bits >> 17 & 3)
    rate_index, hz_index, padding = bits >> 12 & 15, bits >> 10 & 3, bits >> 9 & 1
    is_sync = bits >> 21 == 0x7FF
    if not is_sync or version not in _RATE_DIVISORS or layer == 4 or rate_index in (0, 15) or hz_index == 3:
        return None
    is_mpeg_1 = version == 3
    bit_rate = 1000 * _BIT_RATES[is_mpeg_1, layer][rate_index - 1]
    sample_rate_hz = _SAMPLE_RATES_HZ[hz_index] // _RATE_DIVISORS[version]
    if layer == 1:
        return _Frame(4 * (12 * bit_rate // sample_rate_hz + padding), 384)
    num_samples = 576 if layer == 3 and not is_mpeg_1 else 1152
    return _Frame(num_samples // 8 * bit_rate // sample_rate_hz + padding, num_samples)
