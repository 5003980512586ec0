"""Reading when each word of a recording was spoken, and by whom: Praat's TextGrid and NIST's CTM files."""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, MutableMapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from datamodules.corpora.sounds import CorpusError
from datamodules.text_files import TextFileError, nfc, read_text, text_lines

WORD_TIERS = ("words", "word")
"""Names of the tier of words in files of the Montreal Forced Aligner and others, in lower case."""

SPEAKER_SEPARATOR = " - "
"""Between speaker and tier in files of several speakers, such as "ann - words" of the Montreal Forced Aligner."""

NOT_WORDS = (
    "sil",
    "!sil",
    "silence",
    "sp",
    "spn",
    "%hesitation",
    "nsn",
    "pau",
    "h#",
    "unk",
    "oov",
    "noise",
    "laughter",
    "#",
    "-",
    "--",
)
"""Usual names, in lower case, of silence, noise and unknown words in alignments."""

NUM_CTM_FIELDS = 5

OVERLAP_TOLERANCE_S = 0.015
"""Intervals may overlap this much: CTM files round starts and durations to hundredths of a second."""

# What aligners and transcribers put in brackets is no word: <eps>, <unk>, [noise], {breath}, (laughter).
_MARK = re.compile(r"<.*>|\[.*\]|\{.*\}|\(.*\)", re.DOTALL)

# A quoted string, in which quotes are doubled, or a number, or a flag: both forms of a TextGrid consist of these.
_TOKEN = re.compile(r'"(?:[^"]|"")*"|<\w+>|[^\s"]+')


class AlignmentError(CorpusError):
    """An alignment that is broken; the message names the file and the place."""


class AlignedWord(NamedTuple):
    """A word, in lower case and Unicode's form NFC, and when it was spoken."""

    text: str
    start_s: float
    end_s: float

    @property
    def midpoint_s(self) -> float:
        """Middle of the word in seconds."""
        return (self.start_s + self.end_s) / 2


@dataclass
class Alignment:
    """When the words of a recording were said, by voice.

    Attributes:
        where: The file, and for CTM the recording, for messages.
        is_by_channel: Whether voices are channels, as in CTM; otherwise they are speakers, as in TextGrid.
        voices: For each voice its words, sorted by time. A TextGrid with one tier of words has the voice "" or the
            speaker in the tier's name.
        marks: How often each mark of silence or noise occurs.
        num_without_duration: Number of words that begin and end at the same time, which are left out.
    """

    where: str
    is_by_channel: bool
    voices: dict[str, list[AlignedWord]] = field(default_factory=dict)
    marks: Counter[str] = field(default_factory=Counter)
    num_without_duration: int = 0

    @property
    def words(self) -> list[AlignedWord]:
        """The words of all voices, sorted by time."""
        return sorted((word for words in self.voices.values() for word in words), key=lambda word: word.start_s)

    def add(self, voice: str, words: Iterable[AlignedWord], not_words: Collection[str], *, tier: str) -> None:
        """Add what a voice says; counts marks and words without duration, and leaves them out.

        Args:
            voice: The voice.
            words: Its words and marks.
            not_words: Names of silence and noise.
            tier: Where they are in the file, for messages.

        Raises:
            AlignmentError: A word ends before it starts, its times are negative or not finite, or two words overlap.
        """
        spoken = self.voices.setdefault(voice, [])
        for word in words:
            if is_mark(word.text, not_words):
                self.marks[word.text] += bool(word.text)
            elif not (math.isfinite(word.end_s) and 0 <= word.start_s <= word.end_s):
                raise AlignmentError(
                    f"{self.where}: word {word.text!r} is spoken from {word.start_s} to {word.end_s} s"
                )
            elif word.start_s == word.end_s:
                self.num_without_duration += 1
            else:
                spoken.append(word)
        spoken.sort(key=lambda word: word.start_s)
        for first, second in pairwise(spoken):
            if second.start_s < first.end_s - OVERLAP_TOLERANCE_S:
                raise AlignmentError(
                    f"{self.where}, {tier}: two words overlap: {first.text!r} from {first.start_s:g} to "
                    f"{first.end_s:g} s and {second.text!r} from {second.start_s:g} to {second.end_s:g} s"
                )


def is_mark(text: str, not_words: Collection[str] = NOT_WORDS) -> bool:
    """Whether a label stands for silence or noise: nothing, something in brackets, or one of the given names."""
    return not text or text in not_words or _MARK.fullmatch(text) is not None


def read_textgrid(path: str | Path, *, tier: str | None = None, not_words: Collection[str] = NOT_WORDS) -> Alignment:
    """Read the words of a TextGrid, in long or short form, UTF-8 or UTF-16.

    Args:
        path: The file.
        tier: Name of the interval tier, or of one tier per speaker, named `SPEAKER - TIER`; None is "words" or "word",
            or the only tier.
        not_words: Names of silence and noise, in lower case, which are no words; nor is anything in brackets.

    Returns:
        The words of each speaker.

    Raises:
        AlignmentError: The file is missing or broken, or words of a tier overlap.
        CorpusError: The file has no such tier, or several that are not those of different speakers.
    """
    tiers = _interval_tiers(path)
    chosen = [(_speaker(name, tier), name, intervals) for name, intervals in tiers if _is_chosen(name, tier)]
    if not chosen and tier is None and len(tiers) == 1:
        chosen = [("", *tiers[0])]
    speakers = {speaker for speaker, *_ in chosen}
    if not chosen or len(speakers) < len(chosen) or ("" in speakers and len(chosen) > 1):
        wanted = " or ".join(WORD_TIERS) if tier is None else tier
        names = [name for name, _ in tiers]
        raise CorpusError(
            f"{path}: expected one tier named {wanted}; it has the interval tiers {names}. Name the tier with --tier, "
            f"or name the tiers of several speakers SPEAKER{SPEAKER_SEPARATOR}TIER"
        )
    alignment = Alignment(str(path), is_by_channel=False)
    for speaker, name, intervals in chosen:
        alignment.add(speaker, intervals, not_words, tier=f"tier {name!r}")
    return alignment


def read_ctm(
    path: str | Path,
    *,
    not_words: Collection[str] = NOT_WORDS,
    broken: MutableMapping[str, AlignmentError] | None = None,
) -> dict[str, Alignment]:
    """Read the words of a CTM file: lines `RECORDING CHANNEL START DURATION WORD [CONFIDENCE]`.

    Args:
        path: The file; lines starting with `;;` are comments.
        not_words: Names of silence and noise, in lower case, which are no words; nor is anything in brackets.
        broken: If given, gets the error of each recording whose words have impossible times.

    Returns:
        The words of each channel of each recording.

    Raises:
        AlignmentError: The file is missing, a line has an unexpected format, or words have impossible times or overlap;
            names the line or the recording.
    """
    words: dict[str, dict[str, list[AlignedWord]]] = {}
    for number, line in enumerate(text_lines(_text(path)), start=1):
        fields = line.split()
        if not fields or line.startswith(";;"):
            continue
        try:
            if len(fields) < NUM_CTM_FIELDS:
                raise ValueError
            start_s, duration_s = float(fields[2]), float(fields[3])
        except ValueError as error:
            raise AlignmentError(
                f"{path}, line {number}: expected RECORDING CHANNEL START DURATION WORD, got {line!r}"
            ) from error
        word = AlignedWord(_label(fields[4]), start_s, start_s + duration_s)
        words.setdefault(nfc(fields[0]), {}).setdefault(fields[1].upper(), []).append(word)
    alignments = {}
    for recording, channels in words.items():
        alignments[recording] = Alignment(f"{path}, {recording}", is_by_channel=True)
        try:
            for channel, found in channels.items():
                alignments[recording].add(channel, found, not_words, tier=f"channel {channel}")
        except AlignmentError as error:
            if broken is None:
                raise
            broken.setdefault(recording, error)
    return alignments


def _interval_tiers(path: str | Path) -> list[tuple[str, list[AlignedWord]]]:
    """Name and intervals of each interval tier of a TextGrid."""
    values = _Values(_tokens(_text(path)), str(path))
    if values.text() != "ooTextFile" or values.text() != "TextGrid":
        raise AlignmentError(f"{path}: not a TextGrid")
    values.number(), values.number()  # the file's first and last second
    if values.flag() != "<exists>":
        raise AlignmentError(f"{path} has no tiers")
    tiers: list[tuple[str, list[AlignedWord]]] = []
    for _ in range(values.count()):
        kind, name = values.text(), nfc(values.text())
        values.number(), values.number()
        intervals = [values.interval(has_end=kind == "IntervalTier") for _ in range(values.count())]
        if kind == "IntervalTier":
            tiers.append((name, intervals))
    return tiers


def _is_chosen(name: str, tier: str | None) -> bool:
    last = name.rpartition(SPEAKER_SEPARATOR)[2].strip()
    return last.lower() in WORD_TIERS if tier is None else nfc(tier) in (name, last)


def _speaker(name: str, tier: str | None) -> str:
    """The speaker in the name of a tier; "" if the whole name was asked for, or it names none."""
    return "" if tier is not None and nfc(tier) == name else name.rpartition(SPEAKER_SEPARATOR)[0].strip()


def _label(text: str) -> str:
    return nfc(text.strip().lower())


def _text(path: str | Path) -> str:
    try:
        return read_text(path)
    except OSError as error:
        raise AlignmentError(f"{path} cannot be read as an alignment ({error.strerror})") from error
    except TextFileError as error:
        raise AlignmentError(str(error)) from error


def _tokens(text: str) -> Iterator[str]:
    """The values of a TextGrid: strings, numbers and flags; the names of values in the long form are skipped."""
    for match in _TOKEN.finditer(text):  # not line by line: labels may have line breaks
        token = match.group()
        if token[0] in '"<' or _is_number(token):
            yield token


def _is_number(token: str) -> bool:
    try:
        float(token)
    except ValueError:
        return False
    return True


class _Values:
    """The values of a TextGrid, read one by one."""

    def __init__(self, tokens: Iterator[str], where: str) -> None:
        self._tokens = tokens
        self._where = where

    def text(self) -> str:
        token = self._next()
        if not token.startswith('"'):
            raise AlignmentError(f"{self._where}: not a TextGrid: expected a string, got {token!r}")
        return token[1:-1].replace('""', '"')

    def number(self) -> float:
        token = self._next()
        if not _is_number(token):
            raise AlignmentError(f"{self._where}: not a TextGrid: expected a number, got {token!r}")
        return float(token)

    def count(self) -> int:
        number = self.number()
        if not (number >= 0 and number.is_integer()):
            raise AlignmentError(f"{self._where}: not a TextGrid: expected a count, got {number:g}")
        return int(number)

    def flag(self) -> str:
        return self._next()

    def interval(self, *, has_end: bool) -> AlignedWord:
        start_s = self.number()
        end_s = self.number() if has_end else start_s
        return AlignedWord(_label(self.text()), start_s, end_s)

    def _next(self) -> str:
        token = next(self._tokens, None)
        if token is None:
            raise AlignmentError(f"{self._where}: not a TextGrid: it ends too early")
        return token
