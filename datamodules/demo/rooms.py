"""Rooms and recorders: reverberation and colouration, as where people listen and record.

Reverberation in everyday places decays exponentially, slowest at middle frequencies (Traer & McDermott 2016, PNAS
113:E7856); the frequency response of a recording is modelled as a smooth curve.

Shapes: T samples of a sound, K samples of a room's impulse response.
"""

from typing import NamedTuple

import numpy as np

from datamodules.demo.primitives import band_pass, filtered_noise, log_uniform, times_s

DECAY_S = (0.1, 1.0)
"""Range of the time in which the slowest band of the reverberation falls by 60 dB."""

SLOWEST_HZ = (300.0, 1500.0)
"""Range of that band's centre."""

DECAY_PER_OCTAVE = 0.85
"""Factor of the decay time for each octave away from it."""

DIRECT_DB = (-3.0, 15.0)
"""Range of the energy of the direct sound relative to that of all reverberation."""

GAIN_DB = 4.0
"""Standard deviation of a recording's gain at points an octave apart, which are joined by straight lines."""

LOWEST_HZ = 60.0
"""Centre of the lowest band of a room; below, a recording's gain is constant."""

_NUM_BANDS = 8
"""Bands of a room, evenly spaced in log frequency up to half the sample rate."""


def in_a_room(rng: np.random.Generator, waveform: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Record a sound in a random room with a random recorder.

    Args:
        rng: Random generator.
        waveform: (T,) sound.
        sample_rate_hz: Sample rate in Hz, over 120.

    Returns:
        (T,) float64 with the same timing; reverberation after the end of the sound is cut off.
    """
    response = room_response(rng, sample_rate_hz)
    num_samples = len(waveform) + len(response) - 1
    frequencies_hz = np.fft.rfftfreq(num_samples, 1 / sample_rate_hz)
    spectrum = np.fft.rfft(waveform, num_samples) * np.fft.rfft(response, num_samples)
    spectrum *= recording_gain(rng, frequencies_hz)
    return np.fft.irfft(spectrum, num_samples)[: len(waveform)]


class Room(NamedTuple):
    """What a room sounds like.

    Args:
        decay_s: Time in which the slowest band of the reverberation falls by 60 dB.
        slowest_hz: Centre of that band.
        direct_db: Energy of the direct sound relative to that of all reverberation.
    """

    decay_s: float
    slowest_hz: float
    direct_db: float


def draw_room(rng: np.random.Generator) -> Room:
    """Draw a room."""
    decay_s, slowest_hz = log_uniform(rng, *DECAY_S), log_uniform(rng, *SLOWEST_HZ)
    return Room(decay_s, slowest_hz, rng.uniform(*DIRECT_DB))


def room_response(rng: np.random.Generator, sample_rate_hz: int) -> np.ndarray:
    """Draw a room and its impulse response, see `response_of`."""
    return response_of(draw_room(rng), rng, sample_rate_hz)


def response_of(room: Room, rng: np.random.Generator, sample_rate_hz: int) -> np.ndarray:
    """Draw the impulse response of a room: the direct sound, then decaying white noise.

    Args:
        room: The room.
        rng: Random generator.
        sample_rate_hz: Sample rate in Hz, over 120.

    Returns:
        (K,) float64, as long as the room's decay time; the direct sound is about 1, in the first sample.
    """
    decay_s, slowest_hz, direct_db = room
    num_samples = int(decay_s * sample_rate_hz)
    centres_hz = np.geomspace(LOWEST_HZ, sample_rate_hz / 2, _NUM_BANDS)
    spacing_octaves = np.log2(centres_hz[1] / centres_hz[0])
    response = np.zeros(num_samples)
    for centre_hz in centres_hz:
        band_decay_s = decay_s * DECAY_PER_OCTAVE ** abs(np.log2(centre_hz / slowest_hz))
        band = filtered_noise(rng, num_samples, sample_rate_hz, band_pass(centre_hz, spacing_octaves / 2))
        # The width of a band, and so the energy of white noise in it, is proportional to its centre.
        response += np.sqrt(centre_hz) * band * 10 ** (-3 * times_s(num_samples, sample_rate_hz) / band_decay_s)
    response *= 10 ** (-direct_db / 20) / np.linalg.norm(response)
    response[0] += 1.0
    return response


def recording_gain(rng: np.random.Generator, frequencies_hz: np.ndarray) -> np.ndarray:
    """Draw the gain of a recording, as factors of the amplitudes at frequencies from 0, of the same shape."""
    return gain_between(draw_gains_db(rng, frequencies_hz[-1]), frequencies_hz)


def draw_gains_db(rng: np.random.Generator, highest_hz: float, *, deviation_db: float = GAIN_DB) -> np.ndarray:
    """Draw the gains of a recording in dB, at `LOWEST_HZ` and at each octave above it that reaches `highest_hz`."""
    num_octaves = int(np.ceil(np.log2(max(highest_hz, LOWEST_HZ) / LOWEST_HZ)))
    return rng.normal(0, deviation_db, num_octaves + 1)


def gain_between(gains_db: np.ndarray, frequencies_hz: np.ndarray) -> np.ndarray:
    """Join gains at octaves by straight lines: factors of the amplitudes at frequencies, of the same shape."""
    octaves = np.log2(np.maximum(frequencies_hz, LOWEST_HZ) / LOWEST_HZ)
    return 10 ** (np.interp(octaves, np.arange(len(gains_db)), gains_db) / 20)
