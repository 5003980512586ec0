"""The command `python -m datamodules hdf5`."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from datamodules.commands.build_options import BuildOptions
from datamodules.commands.report_tables import print_report
from datamodules.corpora.word_speaker_noise import make_manifest
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
        for side in sides:
            with Progress(f"reading the {side} labels of {self.folder}"):
                manifest = make_manifest(self.folder, self.out / "manifests", side=side)
            report = self.build(
                manifest.path,
                self.out / side,
                one_label=[name for name, labels in manifest.label_sets.items() if labels.kind == "one_label"],
                many_labels=[name for name, labels in manifest.label_sets.items() if labels.kind == "many_labels"],
                label_lists=manifest.label_lists,
                label_separator=LABEL_SEPARATOR,
                keep_order=True,
            )
            print_report(report, text_console())
