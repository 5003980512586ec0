"""Standard MIDI files (format 0) from notes.

The format is that of the MIDI Manufacturers Association's Standard MIDI Files 1.0: a header, and one track of events,
each after a time difference in ticks.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

TICKS_PER_QUARTER = 480
MICROSECONDS_PER_QUARTER = 500_000
"""120 quarter notes a minute, so that a second has 960 ticks."""

DRUM_CHANNEL = 9
"""The channel whose keys are percussion instruments, counted from 0."""

_TICKS_PER_S = TICKS_PER_QUARTER * 1_000_000 / MICROSECONDS_PER_QUARTER
_NOTE_OFF, _NOTE_ON, _PROGRAM = 0x80, 0x90, 0xC0


class Note(NamedTuple):
    """A note.

    Args:
        start_s: When it starts, in seconds.
        duration_s: How long it lasts, in seconds.
        key: Its pitch, 0-127; 60 is the middle C.
        velocity: How hard it is played, 1-127.
        channel: Its channel, 0-15.
    """

    start_s: float
    duration_s: float
    key: int
    velocity: int
    channel: int = 0


def midi_file(notes: Sequence[Note], programs: Sequence[tuple[float, int, int]]) -> bytes:
    """Write notes as a MIDI file.

    Args:
        notes: The notes.
        programs: Times in seconds at which channels change their instrument: time, channel, program 0-127.

    Returns:
        The bytes of the file.
    """
    # At equal times, notes end before instruments change, and these before notes start.
    events = [
        *((_ticks(start_s), 1, bytes((_PROGRAM | channel, program))) for start_s, channel, program in programs),
        *((_ticks(n.start_s), 2, bytes((_NOTE_ON | n.channel, n.key, n.velocity))) for n in notes),
        *((_ticks(n.start_s + n.duration_s), 0, bytes((_NOTE_OFF | n.channel, n.key, 0))) for n in notes),
    ]
    track = b"\x00\xff\x51\x03" + MICROSECONDS_PER_QUARTER.to_bytes(3, "big")
    now = 0
    for ticks, _, event in sorted(events):
        track += _variable_length(ticks - now) + event
        now = ticks
    track += b"\x00\xff\x2f\x00"
    return struct.pack(">4sIHHH4sI", b"MThd", 6, 0, 1, TICKS_PER_QUARTER, b"MTrk", len(track)) + track


def _ticks(time_s: float) -> int:
    return round(time_s * _TICKS_PER_S)


def _variable_length(number: int) -> bytes:
    """Seven bits a byte, the highest first; all bytes but the last have the eighth bit."""
    octets = [number & 0x7F]
    while number := number >> 7:
        octets.append(number & 0x7F | 0x80)
    return bytes(reversed(octets))
