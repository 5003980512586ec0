"""Scores drawn at random: phrases for one instrument, and pieces in several styles.

Pitches follow a scale and a progression of chords, and rhythms a pulse, so that what comes out is music in the sense
that listeners recognise it, if not art. All constants are chosen by hand.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from datamodules.corpora.packaged.synthesised.instruments import DRUMS, INSTRUMENTS, Instrument
from datamodules.corpora.packaged.synthesised.midi import DRUM_CHANNEL, Note

SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10), (0, 2, 3, 5, 7, 9, 10))
"""Major, minor, two pentatonic scales and the Dorian mode, in semitones above the tonic."""

PROGRESSIONS = ((0, 3, 4, 0), (0, 5, 3, 4), (5, 3, 0, 4), (0, 4, 5, 3), (0, 3, 0, 4), (1, 4, 0, 5))
"""Degrees on which the chords of four bars stand, counted from 0."""

LEAD, CHORDS, BASS = 0, 1, 2
"""Channels of a piece."""

_STEPS = (-3, -2, -1, -1, 0, 1, 1, 2, 3)
_NOTE_S = (0.12, 0.18, 0.25, 0.25, 0.35, 0.5, 0.7)
_REST_PROBABILITY = 0.12
_CHORD_PROBABILITY = 0.25
_POLYPHONIC = ("piano", "electric piano", "harpsichord", "organ", "accordion", "guitar", "harp", "choir", "mallets",
               "string orchestra", "synthesiser pad", "brass section", "koto")  # fmt: skip


Item = TypeVar("Item")


class Style(NamedTuple):
    """A style of music.

    Args:
        beats_per_minute: Range of the tempo.
        num_steps: Steps of a bar, of which `steps_per_beat` make a beat.
        steps_per_beat: Steps of a beat.
        drums: For each class of drums the steps at which it plays.
        chords: Steps at which chords are struck.
        bass: Steps at which the bass plays.
        leads: Instruments of the melody.
        accompaniments: Instruments of the chords.
        basses: Instruments of the bass.
        density: Probability that the melody has a note at a step.
    """

    beats_per_minute: tuple[float, float]
    num_steps: int
    steps_per_beat: int
    drums: dict[str, tuple[int, ...]]
    chords: tuple[int, ...]
    bass: tuple[int, ...]
    leads: tuple[str, ...]
    accompaniments: tuple[str, ...]
    basses: tuple[str, ...]
    density: float


# fmt: off
STYLES = {
    "rock": Style((110, 150), 8, 2, {"kick drum": (0, 4, 5), "snare drum": (2, 6), "hi-hat": tuple(range(8))},
                  (0, 2, 4, 6), (0, 1, 2, 3, 4, 5, 6, 7), ("distorted guitar", "guitar"), ("distorted guitar", "organ"),
                  ("bass",), 0.5),
    "ballad": Style((60, 80), 8, 2, {"kick drum": (0, 4), "snare drum": (4,), "hi-hat": (0, 2, 4, 6)},
                    (0, 2, 4, 6), (0, 4), ("piano", "saxophone", "guitar", "flute"), ("piano", "string orchestra"),
                    ("bass",), 0.4),
    "techno": Style((125, 145), 16, 4, {"kick drum": (0, 4, 8, 12), "clapping": (4, 12), "hi-hat": (2, 6, 10, 14)},
                    (0, 3, 6, 10, 13), (2, 6, 10, 14), ("synthesiser",), ("synthesiser", "synthesiser pad"),
                    ("synthesiser bass",), 0.5),
    "jazz": Style((120, 190), 12, 3, {"cymbal": (0, 3, 5, 6, 9, 11), "hi-hat": (3, 9)},
                  (2, 6), (0, 3, 6, 9), ("saxophone", "trumpet", "piano", "clarinet"), ("piano", "guitar"),
                  ("bass",), 0.55),
    "waltz": Style((140, 190), 6, 2, {}, (2, 4), (0,), ("violin", "accordion", "flute", "piano"),
                   ("string orchestra", "accordion", "piano"), ("cello", "bass"), 0.5),
    "march": Style((105, 125), 8, 2, {"kick drum": (0, 4), "snare drum": (2, 3, 6, 7), "cymbal": (0,)},
                   (2, 6), (0, 4), ("trumpet", "flute", "clarinet"), ("horn", "brass section"), ("trombone",), 0.55),
    "bossa nova": Style((115, 145), 16, 4, {"kick drum": (0, 6, 8, 14), "wood block": (0, 3, 6, 10, 13),
                                           "shaker": tuple(range(0, 16, 2))},
                        (0, 3, 6, 11), (0, 6, 8, 14), ("flute", "saxophone", "guitar"), ("guitar",), ("bass",), 0.4),
    "reggae": Style((70, 90), 8, 2, {"kick drum": (4,), "snare drum": (4,), "hi-hat": (0, 2, 4, 6)},
                    (1, 3, 5, 7), (0, 3, 4, 7), ("organ", "trumpet", "guitar"), ("guitar", "organ"), ("bass",), 0.4),
    "string quartet": Style((70, 130), 8, 2, {}, (0, 2, 4, 6), (0, 4), ("violin",), ("string orchestra", "violin"),
                            ("cello",), 0.6),
    "church": Style((60, 90), 4, 1, {}, (0, 1, 2, 3), (0, 2), ("organ", "choir"), ("organ", "choir"), ("organ",), 0.8),
    "ambient": Style((50, 70), 8, 2, {}, (0,), (0,), ("synthesiser pad", "pan flute", "bell"), ("synthesiser pad",),
                     ("synthesiser pad",), 0.2),
    "folk": Style((110, 140), 8, 2, {"hand drum": (0, 3, 6)}, (0, 2, 3, 4, 6, 7), (0, 4),
                  ("fiddle", "flute", "accordion", "banjo", "bagpipe"), ("guitar", "banjo"), ("bass",), 0.7),
    "latin": Style((90, 115), 16, 4, {"hand drum": (0, 3, 6, 7, 10, 12, 14), "cowbell": (0, 4, 8, 12),
                                     "wood block": (0, 3, 6, 10, 12), "shaker": tuple(range(0, 16, 2))},
                   (0, 3, 6, 8, 11, 14), (3, 6, 12), ("trumpet", "piano", "flute"), ("piano",), ("bass",), 0.5),
    "steel band": Style((100, 125), 8, 2, {"kick drum": (0, 3, 4), "shaker": tuple(range(8)), "cowbell": (0, 3, 6)},
                        (0, 2, 3, 6), (0, 3, 4, 7), ("steel drum",), ("steel drum", "mallets"), ("bass",), 0.6),
}
# fmt: on
"""Styles of music, by name."""


class Score(NamedTuple):
    """Notes, and the program of each channel that plays."""

    notes: list[Note]
    programs: dict[int, int]


def phrase(rng: np.random.Generator, instrument: Instrument, *, name: str, duration_s: float) -> Score:
    """A phrase for one instrument.

    Args:
        rng: Random generator.
        instrument: The instrument.
        name: Its class, which decides whether it plays chords.
        duration_s: How long the phrase lasts.

    Returns:
        Its notes on channel 0.
    """
    scale, tonic = _choose(rng, SCALES), int(rng.integers(12))
    pitches = [key for key in range(*instrument.keys) if (key - tonic) % 12 in scale]
    place, time_s, pace = int(rng.integers(len(pitches))), 0.0, float(rng.uniform(0.7, 1.6))
    notes: list[Note] = []
    while time_s < duration_s - 0.1:
        length_s = min(pace * _choose(rng, _NOTE_S), duration_s - time_s)
        velocity = int(rng.integers(60, 120))
        if rng.uniform() >= _REST_PROBABILITY:
            is_chord = name in _POLYPHONIC and rng.uniform() < _CHORD_PROBABILITY
            for step in (0, 2, 4) if is_chord else (0,):
                if place + step < len(pitches):
                    notes.append(Note(time_s, 0.95 * length_s, pitches[place + step], velocity))
        place = int(np.clip(place + _choose(rng, _STEPS), 0, len(pitches) - 1))
        time_s += length_s
    return Score(notes, {0: int(_choose(rng, instrument.programs))})


def drum_phrase(rng: np.random.Generator, keys: tuple[int, ...], *, duration_s: float) -> Score:
    """Strokes of one class of drums in a rhythm that is repeated."""
    step_s = float(rng.uniform(0.1, 0.25))
    pattern = rng.uniform(size=8) < rng.uniform(0.25, 0.9)
    pattern[0] = True
    played = [int(_choose(rng, keys)) for _ in pattern]
    notes = [
        Note(step * step_s, 0.9 * step_s, played[step % 8], int(rng.integers(70, 127)), DRUM_CHANNEL)
        for step in range(int(duration_s / step_s))
        if pattern[step % 8]
    ]
    return Score(notes, {})


def piece(rng: np.random.Generator, style: Style, *, duration_s: float) -> Score:
    """A piece for melody, chords, bass and drums.

    Args:
        rng: Random generator.
        style: The style.
        duration_s: How long it lasts.

    Returns:
        Its notes, on the channels `LEAD`, `CHORDS`, `BASS` and that of drums.
    """
    step_s = 60 / float(rng.uniform(*style.beats_per_minute)) / style.steps_per_beat
    scale, tonic = SCALES[int(rng.integers(2))], int(rng.integers(12))
    progression = _choose(rng, PROGRESSIONS)
    names = {
        LEAD: _choose(rng, style.leads),
        CHORDS: _choose(rng, style.accompaniments),
        BASS: _choose(rng, style.basses),
    }
    notes: list[Note] = []
    lead = int(rng.integers(7, 14))
    for step in range(int(duration_s / step_s)):
        bar, place = divmod(step, style.num_steps)
        degree, start_s = progression[bar % len(progression)], step * step_s
        strong = 12 if place == 0 else 0

        def play(channel: int, key: int, steps: float, loud: int, start_s: float = start_s) -> None:
            notes.append(Note(start_s, 0.95 * steps * step_s, key, min(127, loud + int(rng.integers(12))), channel))

        for drum, steps in style.drums.items():
            if place in steps:
                play(DRUM_CHANNEL, DRUMS[drum][int(rng.integers(len(DRUMS[drum]))) if bar % 4 == 3 else 0], 1, 80)
        if place in style.chords:
            for third in (0, 2, 4):
                play(CHORDS, 48 + tonic + _pitch(scale, degree + third), _gap(style.chords, style, place), 55 + strong)
        if place in style.bass:
            fifth = 4 if place and rng.uniform() < 0.3 else 0
            play(BASS, 36 + tonic % 7 + _pitch(scale, degree + fifth), _gap(style.bass, style, place), 75 + strong)
        if rng.uniform() < style.density:
            lead = int(np.clip(lead + _choose(rng, _STEPS), 5, 17))
            play(LEAD, 55 + tonic + _pitch(scale, lead), float(_choose(rng, (1, 1, 2, 3))), 85 + strong)
    programs = {channel: int(_choose(rng, INSTRUMENTS[name].programs)) for channel, name in names.items()}
    return Score(notes, programs)


def _pitch(scale: tuple[int, ...], degree: int) -> int:
    octave, place = divmod(degree, len(scale))
    return 12 * octave + scale[place]


def _gap(steps: tuple[int, ...], style: Style, place: int) -> int:
    """Steps from a place to the next of some steps."""
    return next((step - place for step in steps if step > place), style.num_steps - place)


def _choose(rng: np.random.Generator, items: Sequence[Item]) -> Item:
    return items[int(rng.integers(len(items)))]
