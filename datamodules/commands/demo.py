"""The command `python -m datamodules demo`."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from datamodules.commands.signal_and_noise import SignalAndNoise
from datamodules.corpora import fsdd
from datamodules.corpora.sounds import CorpusError
from datamodules.demo import corpus
from datamodules.demo.speech import Synthesiser
from datamodules.folders.sound_folders import PassedOver


@dataclass(kw_only=True)
class Demo(SignalAndNoise):
    """Synthesise the words and textures of the demo and build their shard sets.

    Each voice says each word several times, with another speed, pitch and pitch range each time. Validation holds out
    such renditions: training has all words and speakers, but none of the sounds.

    Attributes:
        num_words: Number of words, at most 114.
        num_voices: Number of voices, at most 200.
        num_renditions: Training clips of each word in each voice.
        num_val_renditions: Validation clips of each word in each voice.
        val_part: Fraction of the pairs of word and voice that have validation clips, 0 to 1.
        phrases: Fraction of the clips that say the word in the middle of running speech rather than alone, 0 to 1.
        manners: Fraction of the clips that are whispered, shouted or sung rather than spoken plainly, 0 to 1.
        digits: Recordings of the Free Spoken Digit Dataset, as further words and speakers.
    """

    num_words: int = 20
    num_voices: int = 20
    num_renditions: int = 3
    num_val_renditions: int = 1
    val_part: float = 1.0
    phrases: float = 0.0
    manners: float = 0.0
    digits: Path | None = None
    positionals: ClassVar[tuple[str, ...]] = ("out",)

    def origin(self) -> tuple[str, str]:
        """The recipe, and a digest of the recorded digits."""
        try:
            Synthesiser()
        except ImportError as error:
            raise CorpusError(str(error)) from error
        return corpus.RECIPE, fsdd.fingerprint(self.digits) if self.digits else ""

    def passed_over(self) -> tuple[PassedOver, ...]:
        """What the folder of digits holds in addition to the recordings."""
        return fsdd.in_addition(self.digits) if self.digits else ()

    def make_signals(self, sounds: Path) -> Path:
        """Synthesise the words, and add the recorded digits."""
        words = corpus.make_words(
            sounds,
            num_words=self.num_words,
            num_voices=self.num_voices,
            num_renditions=self.num_renditions,
            num_val_renditions=self.num_val_renditions,
            val_part=self.val_part,
            phrases=self.phrases,
            manners=self.manners,
            rooms=self.rooms,
            seed=self.seed,
            num_workers=self.num_processes,
            show_progress=True,
        )
        if self.digits is None:
            return words
        return corpus.join_manifests(words, fsdd.make_manifest(self.digits, sounds / fsdd.MANIFEST_NAME))
