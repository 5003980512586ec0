"""Words of games for children: letters of KLettres, things of KTuberling, stamps of Tux Paint."""

import re
from collections.abc import Iterator
from pathlib import Path

from datamodules.corpora.fsdd import DIGITS as _DIGITS
from datamodules.corpora.packaged.recording import Recording, sounds_below
from datamodules.corpora.packaged.speech.asterisk import spoken_word

_SOUND = re.compile(r'<sound\s+name="([^"]+)"\s+file="([^"]+)"')
_DESCRIPTION = re.compile(r"(?P<stamp>.+)_desc(?:_(?P<language>[a-z]{2}))?")
_SYMBOL = re.compile(r"(?P<symbol>[A-Za-z]|[0-9])(?:_(?:filled|outline))?(?:_(?P<language>[a-z]{2})(?:_\w+)?)?")
_ARTICLE = re.compile(r"^(an?|the|some)\s+")


def klettres(root: Path) -> Iterator[Recording]:
    """Letters and syllables: LANGUAGE/alpha/LETTER.ogg and LANGUAGE/syllab/SYLLABLE.ogg, a voice for each language."""
    folder = root / "usr/share/klettres"
    for path in sounds_below(folder):
        place, _, name = path.relative_to(folder).with_suffix("").parts
        language = place.split("_")[0]
        is_named = not re.search(r"\d", name)  # others are numbered
        label = name.casefold() if is_named else ""
        word = label if language == "en" else f"{language} {label}" if label else ""
        yield Recording(path=path, word=word, speaker=f"klettres {place}", language=language)


def ktuberling(root: Path) -> Iterator[Recording]:
    """Names of things: tables LANGUAGE.soundtheme name the file and, in English, the thing."""
    folder = root / "usr/share/ktuberling/sounds"
    for table in sorted(folder.glob("*.soundtheme")):
        language = re.split("[_@]", table.stem)[0]
        for name, file in _SOUND.findall(table.read_text(encoding="utf-8", errors="replace")):
            if (path := folder / file).is_file():
                thing = name.rsplit("_", 1)[-1].casefold()
                word = spoken_word(thing) if language == "en" else f"{language} {thing}"
                yield Recording(path=path, word=word, speaker=f"ktuberling {table.stem}", language=language)


def tuxpaint_names(root: Path) -> Iterator[Recording]:
    """Names of stamps: STAMP_desc.ogg in English and STAMP_desc_LANGUAGE.ogg; STAMP.txt has the English text first."""
    folder = root / "usr/share/tuxpaint/stamps"
    for path in sounds_below(folder):
        if path.is_relative_to(folder / "symbols") and "_desc" not in path.stem:
            yield from _symbol(path)
            continue
        match = _DESCRIPTION.fullmatch(path.stem)
        if match is None:
            continue
        language = match["language"] or "en"
        name = spoken_word(_ARTICLE.sub("", _first_line(path.with_name(f"{match['stamp']}.txt")).casefold()))
        word = name if language == "en" else f"{language} {name}" if name else ""
        # Of English, several people have recorded parts, and it is not said who.
        speaker = "" if language == "en" else f"tuxpaint {language}"
        yield Recording(path=path, word=word, speaker=speaker, language=language)


def _symbol(path: Path) -> Iterator[Recording]:
    """A letter or digit: LETTER_outline_en_GB.ogg, DIGIT_LANGUAGE.ogg; in English if it names no language."""
    match = _SYMBOL.fullmatch(path.stem)
    if match:
        language = match["language"] or "en"
        symbol = _DIGITS[int(match["symbol"])] if match["symbol"].isdigit() else match["symbol"].casefold()
        word = symbol if language == "en" else f"{language} {symbol}"
        speaker = "" if language == "en" else f"tuxpaint {language}"
        yield Recording(path=path, word=word, speaker=speaker, language=language)


def _first_line(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            return lines.readline().strip()
    except OSError:
        return ""
