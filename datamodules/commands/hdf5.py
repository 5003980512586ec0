"""The command `python -m datamodules hdf5`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from datamodules.commands.build_options import BuildOptions
from datamodules.commands.tables.report_tables import print_report
from datamodules.corpora.word_speaker_noise import Hdf5Manifest, in_addition, make_manifest, manifest_path
from datamodules.files import undoing
from datamodules.folders.sound_folders import PassedOver
from datamodules.manifests.manifest import LABEL_SEPARATOR
from datamodules.progress import Progress
from datamodules.tasks import Side
from networks.commands.dispatch import text_console


@dataclass(kw_only=True)
class Hdf5(BuildOptions):
    """Convert the published Word-Speaker-Noise HDF5 files to shard sets.

    Converts train_*/JSIN_all__run_*.h5 and valid_*/JSIN_all__run_*.h5 to OUT/signal (word, speaker) and OUT/noise
    (audioset), in the order of the files. Networks can also be trained on the files as they are: give their folder as
    `signal` and `noise`. Needs h5py.

    Attributes:
        folder: Folder that holds train_* and valid_*.
        out: Folder for OUT/signal, OUT/noise and OUT/manifests.
    """

    folder: Path
    skip_bad: bool = True
    positionals: ClassVar[tuple[str, ...]] = ("folder", "out")

    def run(self) -> None:
        """Convert both sides, and print what was built.

        Raises:
            CorpusError: The files are missing or broken.
            BuildError: The output is in use.
        """
        self.check()
        sides: tuple[Side, ...] = ("signal", "noise")
        folder = self.out / "manifests"
        with undoing(folder):
            manifests = {}
            for side in sides:
                with Progress(f"reading the {side} labels of {self.folder}"):
                    keeps_others = self.keeps_others(manifest_path(folder, side), self.out / side)
                    manifests[side] = make_manifest(self.folder, folder, side=side, keep_others=keeps_others)
            self._build(sides[0], manifests[sides[0]], in_addition(self.folder))
        for side in sides[1:]:
            self._build(side, manifests[side])

    def _build(self, side: Side, manifest: Hdf5Manifest, passed_over: Sequence[PassedOver] = ()) -> None:
        report = self.build(
            manifest.path,
            self.out / side,
            one_label=[name for name, labels in manifest.label_sets.items() if labels.kind == "one_label"],
            many_labels=[name for name, labels in manifest.label_sets.items() if labels.kind == "many_labels"],
            label_lists=manifest.label_lists,
            label_separator=LABEL_SEPARATOR,
            keep_order=True,
            passed_over=passed_over,
        )
        print_report(report, text_console())
