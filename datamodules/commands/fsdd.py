"""The command `python -m datamodules fsdd`."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from datamodules.commands.signal_and_noise import SignalAndNoise
from datamodules.corpora import fsdd
from datamodules.folders.sound_folders import PassedOver


@dataclass(kw_only=True)
class Fsdd(SignalAndNoise):
    """Build shard sets from the Free Spoken Digit Dataset.

    The recordings are the signal (labels word and speaker), synthesised textures the noise.

    Attributes:
        folder: Folder with {digit}_{speaker}_{take}.wav, or a clone of the data set.
    """

    folder: Path
    positionals: ClassVar[tuple[str, ...]] = ("folder", "out")

    def origin(self) -> tuple[str, str]:
        """The recipe, and a digest of the recordings."""
        return fsdd.RECIPE, fsdd.fingerprint(self.folder)

    def make_signals(self, sounds: Path) -> Path:
        """Make the manifest of the recordings."""
        return fsdd.make_manifest(self.folder, sounds / fsdd.MANIFEST_NAME)

    def passed_over(self) -> tuple[PassedOver, ...]:
        """What the folder holds in addition to the recordings."""
        return fsdd.in_addition(self.folder)
