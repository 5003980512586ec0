"""Voices of games: packs of Hedgewars, dialogues of Fish Fillets."""

import re
from collections.abc import Iterator
from pathlib import Path

from datamodules.corpora.packaged.recording import Recording, sounds_below

_LANGUAGES_OF_PACKS = {"es": "es", "pl": "pl", "ru": "ru", "uk": "uk"}
_OUTCRY = re.compile(r"(ooff|ow|ouch|jump|poison|laugh|hmm|nooo|firepunch|kamikaze)")
_FISH = re.compile(r"(?:^|-)(?P<fish>[mv])-")


def hedgewars(root: Path) -> Iterator[Recording]:
    """Exclamations: PACK/PHRASE.ogg; the packs of a language say the same phrases."""
    folder = root / "usr/share/games/hedgewars/Data/Sounds/voices"
    for path in sounds_below(folder, depth=1):
        pack, phrase = path.parent.name, re.sub(r"[\d_]+$", "", path.stem).casefold()
        language = _LANGUAGES_OF_PACKS.get(pack.rpartition("_")[2], "en")
        is_word = language == "en" and not _OUTCRY.match(phrase)
        yield Recording(path=path, word=phrase if is_word else "", speaker=f"hedgewars {pack}", language=language)


def fillets(root: Path, *, language: str) -> Iterator[Recording]:
    """Dialogues: LEVEL/LANGUAGE/LEVEL-FISH-LINE.ogg, where m is the small fish and v the large one.

    Args:
        root: Root of the file system.
        language: "cs" or "nl".
    """
    for path in sounds_below(root / "usr/share/games/fillets-ng/sound"):
        if path.parent.name == language:
            fish = _FISH.search(path.stem)
            speaker = f"fillets {language} {fish['fish']}" if fish else ""
            yield Recording(path=path, speaker=speaker, language=language)
