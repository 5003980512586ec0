"""Words and sentences spoken by the formant synthesiser espeak-ng.

The library (GPL) comes with the package espeakng-loader, an optional extra: `pip install 'cochlearn[demo]'`.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from datamodules.demo.espeak import RawSpeech, library_paths, speak_once
from datamodules.demo.voice_variants import DISTINCT_VARIANTS, ODD_VARIANTS

WORDS_PER_MINUTE_RANGE = (80, 450)
PITCH_RANGE = (0, 99)
"""Bounds of espeak-ng's parameters, from its `speak_lib.h`."""

ACCENTS = ("en-us", "en-gb-x-rp", "en-us", "en-gb-scotland")
"""Accents, given to the variants in turn: an accent is part of a speaker."""

FOREIGN_ACCENTS = ("it", "de", "es", "pl", "fr", "nl", "tr", "pt-br", "sv", "cs", "fi", "hu", "ro")
"""Languages whose rules and sounds further voices use to read English."""

TRACT_SCALES = (1.25, 0.9, 1.12, 1.38)
"""Factors of all frequencies of further voices, chosen by hand, for shorter and longer vocal tracts; the last is a
child's."""

SCALE_RANGE = (0.5, 2.0)
SCALE_SIGN = "@"
RATE_STEP_HZ = 50
"""Scaled sample rates are multiples of this, so that a short filter can resample them to the usual rates."""


class WordTime(NamedTuple):
    """A word of an utterance, and when it is spoken."""

    text: str
    start_s: float
    end_s: float


class Utterance(NamedTuple):
    """Spoken text: (T,) float32 in [-1, 1], its sample rate, and the times of its words."""

    waveform: np.ndarray
    sample_rate_hz: int
    words: tuple[WordTime, ...]


class Synthesiser:
    """Synthesises English speech in about two hundred voices.

    On systems that can unload a library (tested on Linux with glibc), the same call returns the same bytes. Calls from
    several threads run one at a time; use processes to synthesise in parallel. The library is loaded once per process,
    so a process must not use espeak-ng in any other way at the same time.

    Raises:
        ImportError: The package espeakng-loader is missing; the message names the extra to install.
    """

    def __init__(self) -> None:
        _, data_path = library_paths()
        self._variants = {path.name for path in (Path(data_path) / "voices" / "!v").iterdir()}

    def voices(self) -> list[str]:
        """Return the names of the voices, "accent+variant" or "accent+variant@scale".

        A voice combines a variant of espeak-ng (vocal tract, pitch, phonation) with one of four accents. Variants of
        people come first, the most different ones at the beginning, then machines, whispers and toys. The second
        hundred are the same variants with foreign accents and vocal tracts of other lengths.
        """
        known = list(enumerate(DISTINCT_VARIANTS + ODD_VARIANTS))
        native = [f"{_in_turn(ACCENTS, index)}+{name}" for index, name in known if name in self._variants]
        foreign = [
            f"{_in_turn(FOREIGN_ACCENTS, index)}+{name}{SCALE_SIGN}{_in_turn(TRACT_SCALES, index)}"
            for index, name in known
            if name in self._variants
        ]
        return native + foreign

    def speak(
        self, text: str, *, voice: str, words_per_minute: int = 175, pitch: int = 50, pitch_range: int = 50
    ) -> Utterance:
        """Speak a string.

        Args:
            text: Plain English text.
            voice: One of `voices()`, or any other name that espeak-ng knows ("en-us", "en-us+m3"), with or without "@"
                and a factor in 0.5-2 of all its frequencies, for a shorter (above 1) or longer vocal tract.
            words_per_minute: Speed, 80-450.
            pitch: Pitch, 0-99; 50 is the voice's own.
            pitch_range: Range of the pitch, 0 (monotone) to 99.

        Returns:
            The utterance; a word ends where the next begins, the last one where speech ends.

        Raises:
            ValueError: An empty text, an unknown voice variant or scale, or a number out of its range.
            SpeechError: No such voice, or no sound came out.
        """
        if not text.strip():
            raise ValueError("nothing to speak: the text is empty")
        name, scale = _scale_of(voice)
        self._check_variant(name)
        _check_range("words_per_minute", words_per_minute, WORDS_PER_MINUTE_RANGE)
        _check_range("pitch", pitch, PITCH_RANGE)
        _check_range("pitch_range", pitch_range, PITCH_RANGE)
        # Faster playback raises all frequencies; speaking more slowly first keeps the speed.
        slowed = round(words_per_minute / scale)
        _check_range(f"words_per_minute over the voice's factor {scale}", slowed, WORDS_PER_MINUTE_RANGE)
        speech = speak_once(text, name, slowed, pitch, pitch_range)
        speech = speech._replace(sample_rate_hz=_scaled_rate_hz(speech.sample_rate_hz, scale))
        waveform = speech.samples.astype(np.float32) / 32768.0
        return Utterance(waveform, speech.sample_rate_hz, _word_times(text, speech))

    def _check_variant(self, voice: str) -> None:
        # espeak-ng ignores an unknown variant silently, so that another voice would speak.
        _, plus, variant = voice.partition("+")
        if plus and variant not in self._variants:
            raise ValueError(
                f"espeak-ng has no voice variant {variant!r} (voice {voice!r}); "
                f"it has {', '.join(sorted(self._variants))}"
            )


def _in_turn(items: tuple[Any, ...], index: int) -> Any:
    return items[index % len(items)]


def _scale_of(voice: str) -> tuple[str, float]:
    """Name of a voice for espeak-ng, and the factor of its frequencies."""
    name, sign, text = voice.partition(SCALE_SIGN)
    try:
        scale = float(text) if sign else 1.0
    except ValueError:
        scale = np.nan
    if not SCALE_RANGE[0] <= scale <= SCALE_RANGE[1]:
        raise ValueError(f"voice {voice!r}: after @ comes a factor of its frequencies in 0.5-2, got {text!r}")
    return name, scale


def _scaled_rate_hz(rate_hz: int, scale: float) -> int:
    return RATE_STEP_HZ * round(rate_hz * scale / RATE_STEP_HZ)


def _word_times(text: str, speech: RawSpeech) -> tuple[WordTime, ...]:
    starts = [word.first_sample for word in speech.words]
    ends = [*starts[1:], speech.end_sample]
    return tuple(
        WordTime(
            text[word.first_character : word.first_character + word.num_characters],
            start / speech.sample_rate_hz,
            end / speech.sample_rate_hz,
        )
        for word, start, end in zip(speech.words, starts, ends, strict=True)
    )


def _check_range(name: str, value: int, bounds: tuple[int, int]) -> None:
    if not bounds[0] <= value <= bounds[1]:
        raise ValueError(f"{name} must be in {bounds[0]}-{bounds[1]}, got {value}")
