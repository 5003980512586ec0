"""Reading when each word of a recording was said: Praat's TextGrid and NIST's CTM files."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from datamodules.corpora.sounds import CorpusError

WORD_TIERS = ("words", "word")
"""Names of the tier of words in files of the Montreal Forced Aligner and others, in lower case."""

NO_WORDS = {"", "sil", "sp", "spn", "<eps>", "<unk>", "<sil>", "<p>", "[noise]", "[laughter]"}
"""Marks of aligners for stretches without a word."""

NUM_CTM_FIELDS = 5

# A quoted string, in which quotes are doubled, or a number, or a flag: both forms of a TextGrid consist of these.
_TOKEN = re.compile(r'"(?:[^"]|"")*"|<\w+>|[^\s"]+')


class AlignedWord(NamedTuple):
    """A word, in lower case, and when it was said."""

    text: str
    start_s: float
    end_s: float

    @property
    def midpoint_s(self) -> float:
        """Middle of the word in seconds."""
        return (self.start_s + self.end_s) / 2


def read_textgrid(path: str | Path, *, tier: str | None = None) -> list[AlignedWord]:
    """Read the words of a TextGrid, in long or short form, UTF-8 or UTF-16.

    Args:
        path: The file.
        tier: Name of the interval tier; None is "words" or "word", or the only tier.

    Returns:
        The words in order; marks of silence and noise are left out.

    Raises:
        CorpusError: The file is missing or broken, or has no such tier or several.
    """
    values = _Values(_tokens(_text(path)), str(path))
    if values.text() != "ooTextFile" or values.text() != "TextGrid":
        raise CorpusError(f"{path}: not a TextGrid")
    values.number(), values.number()  # the file's first and last second
    if values.flag() != "<exists>":
        raise CorpusError(f"{path}: has no tiers")
    tiers: list[tuple[str, list[AlignedWord]]] = []
    for _ in range(int(values.number())):
        kind, name = values.text(), values.text()
        values.number(), values.number()
        intervals = [values.interval(has_end=kind == "IntervalTier") for _ in range(int(values.number()))]
        if kind == "IntervalTier":
            tiers.append((name, intervals))
    chosen = [each for each in tiers if (each[0].lower() in WORD_TIERS if tier is None else each[0] == tier)]
    if not chosen and tier is None and len(tiers) == 1:
        chosen = tiers
    if len(chosen) != 1:
        wanted = " or ".join(WORD_TIERS) if tier is None else tier
        names = [name for name, _ in tiers]
        raise CorpusError(f"{path}: expected one tier named {wanted}; it has the interval tiers {names}")
    return _spoken(chosen[0][1], str(path))


def read_ctm(path: str | Path) -> dict[str, list[AlignedWord]]:
    """Read the words of a CTM file: lines `RECORDING CHANNEL START DURATION WORD [CONFIDENCE]`.

    Args:
        path: The file; lines starting with `;;` are comments.

    Returns:
        The words of each recording, sorted by time.

    Raises:
        CorpusError: The file is missing, or a line has another form; the message names the line.
    """
    words: dict[str, list[AlignedWord]] = {}
    for number, line in enumerate(_text(path).splitlines(), start=1):
        fields = line.split()
        if not fields or line.startswith(";;"):
            continue
        try:
            if len(fields) < NUM_CTM_FIELDS:
                raise ValueError
            start_s, duration_s = float(fields[2]), float(fields[3])
        except ValueError as error:
            raise CorpusError(
                f"{path}, line {number}: expected RECORDING CHANNEL START DURATION WORD, got {line!r}"
            ) from error
        words.setdefault(fields[0], []).append(AlignedWord(fields[4].lower(), start_s, start_s + duration_s))
    return {
        recording: _spoken(sorted(found, key=lambda word: word.start_s), f"{path}, {recording}")
        for recording, found in words.items()
    }


def _spoken(words: list[AlignedWord], where: str) -> list[AlignedWord]:
    spoken = [word for word in words if word.text not in NO_WORDS]
    for word in spoken:
        if not (math.isfinite(word.end_s) and 0 <= word.start_s < word.end_s):
            raise CorpusError(f"{where}: word {word.text!r} is said from {word.start_s} to {word.end_s} s")
    return spoken


def _text(path: str | Path) -> str:
    try:
        data = Path(path).read_bytes()
        is_utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        return data.decode("utf-16" if is_utf16 else "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path}: not readable as an alignment ({error})") from error


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
            raise CorpusError(f"{self._where}: not a TextGrid: expected a string, got {token!r}")
        return token[1:-1].replace('""', '"')

    def number(self) -> float:
        token = self._next()
        if not _is_number(token):
            raise CorpusError(f"{self._where}: not a TextGrid: expected a number, got {token!r}")
        return float(token)

    def flag(self) -> str:
        return self._next()

    def interval(self, *, has_end: bool) -> AlignedWord:
        start_s = self.number()
        end_s = self.number() if has_end else start_s
        return AlignedWord(self.text().strip().lower(), start_s, end_s)

    def _next(self) -> str:
        token = next(self._tokens, None)
        if token is None:
            raise CorpusError(f"{self._where}: not a TextGrid: it ends too early")
        return token
