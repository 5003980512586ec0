"""The command `python -m datamodules fsdd`."""

from dataclasses import dataclass, field
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
        val_takes: Takes held out for validation.
    """

    folder: Path
    val_takes: list[int] = field(default_factory=lambda: list(fsdd.VAL_TAKES))
    positionals: ClassVar[tuple[str, ...]] = ("folder", "out")

    def origin(self) -> tuple[str, str]:
        """The recipe, and a digest of the recordings."""
        # Builds from before there was this option are up to date with the default.
        is_default = set(self.val_takes) == set(fsdd.VAL_TAKES)
        takes = "" if is_default else f", takes {sorted(set(self.val_takes))} held out"
        return fsdd.RECIPE, f"{fsdd.fingerprint(self.folder)}{takes}"

    def make_signals(self, sounds: Path) -> Path:
        """Make the manifest of the recordings."""
        return fsdd.make_manifest(self.folder, sounds / fsdd.MANIFEST_NAME, val_takes=self.val_takes)

    def passed_over(self) -> tuple[PassedOver, ...]:
        """What the folder holds in addition to the recordings."""
        return fsdd.in_addition(self.folder)
