"""Prompts of telephone exchanges: `asterisk-core-sounds-*`, `asterisk-prompt-*` and `saytime`.

The file of a prompt is named after what it says, the same in all languages: `digits/7`, `letters/b`, `phonetic/c_p`.
What the English ones say word for word is in `core-sounds-en.txt`.
"""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

from datamodules.corpora.packaged.recording import Recording, sounds_below

FOLDER = "usr/share/asterisk/sounds"
TRANSCRIPTS = "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"

_WORD_FOLDERS = ("digits", "letters", "phonetic")
_REMARK = re.compile(r"\[[^]]*\]")
_SINGLE_WORD = re.compile(r"[a-z][a-z'-]*")
_NO_SPEECH = re.compile(r"beep|tone|silence|monkeys|weasels|dtmf")

# What the files say, for those who have the sounds without the package that lists it.
# fmt: off
_NUMBERS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)
_TENS = ("thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_PHONETIC = (
    "alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet", "kilo", "lima",
    "mike", "november", "oscar", "papa", "quebec", "romeo", "sierra", "tango", "uniform", "victor", "whiskey",
    "x-ray", "yankee", "zulu",
)
# fmt: on
_SAID = {
    **{f"digits/{number}": word for number, word in enumerate(_NUMBERS)},
    **{f"digits/{10 * tens}": word for tens, word in enumerate(_TENS, start=3)},
    **{f"phonetic/{word[0]}_p": word for word in _PHONETIC},
    **{f"letters/{letter}": letter for letter in "abcdefghijklmnopqrstuvwxyz"},
}


def prompts(root: Path, *, voice: str, language: str, ending: str = "") -> Iterator[Recording]:
    """Prompts of one voice.

    The label of an English word is the word; that of another language has the language and the prompt's name, such as
    "fr 7", so that voices of a language share it.

    Args:
        root: Root of the file system.
        voice: Folder of the voice, such as "en_US_f_Allison".
        language: Its language, such as "en".
        ending: Ending of the files, as a folder may have each prompt in several formats; "" is any.
    """
    folder = root / FOLDER / voice
    said = {**_SAID, **_transcripts(root / TRANSCRIPTS)} if language == "en" else {}
    speaker = voice.rsplit("_", 1)[-1]
    for path in sounds_below(folder):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if _NO_SPEECH.search(name) or not path.name.endswith(ending):
            continue
        word = spoken_word(said.get(name, "")) if language == "en" else _word_of_name(name, language)
        yield Recording(path=path, word=word, speaker=speaker, language=language)


def saytime(root: Path) -> Iterator[Recording]:
    """Numbers and words of the talking clock."""
    folder = root / "usr/share/saytime"
    for path in sounds_below(folder):
        word = _SAID.get(f"digits/{path.stem}", path.stem)
        yield Recording(path=path, word=spoken_word(word), speaker="saytime", language="en")


def spoken_word(text: str) -> str:
    """The word that a text consists of, in lower case; "" if there are several or none."""
    plain = _REMARK.sub("", text).strip(" .!?\"'").casefold()
    return plain if _SINGLE_WORD.fullmatch(plain) else ""


def _word_of_name(name: str, language: str) -> str:
    folder, _, prompt = name.rpartition("/")
    is_word = folder in _WORD_FOLDERS and not prompt.startswith(("ascii", "at", "dash"))
    return f"{language} {prompt.removesuffix('_p') if folder == 'letters' else prompt}" if is_word else ""


def _transcripts(path: Path) -> dict[str, str]:
    try:
        with gzip.open(path, "rt", encoding="utf-8", errors="replace") as lines:
            parts = [line.partition(":") for line in lines if not line.startswith(";")]
    except OSError:
        return {}
    return {name.strip(): text.strip() for name, colon, text in parts if colon}
