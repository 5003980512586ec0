"""Other recorded speech: Mandarin syllables of gcin, and the readings behind a Russian voice of Festival."""

from collections.abc import Iterator
from pathlib import Path

from datamodules.corpora.packaged.recording import Recording, sounds_below


def gcin(root: Path) -> Iterator[Recording]:
    """Syllables with their tones: SYLLABLE/VOICE.ogg; two voices."""
    for path in sounds_below(root / "usr/share/gcin-voice/ogg"):
        yield Recording(path=path, word=f"zh {path.parent.name}", speaker=f"gcin {path.stem}", language="zh")


def festvox_ru(root: Path) -> Iterator[Recording]:
    """Sentences that one man reads, from which the voice `festvox-ru` takes its units."""
    for path in sounds_below(root / "usr/share/festival/voices/russian/msu_ru_nsh_clunits/wav"):
        yield Recording(path=path, speaker="festvox ru", language="ru")
