"""The command `python -m datamodules genres`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from datamodules.commands.build_options import BuildOptions
from datamodules.commands.tables.report_tables import print_report
from datamodules.corpora.genres import COLUMN, make_manifest
from networks.commands.dispatch import text_console

BY_CLASS = "class"


@dataclass(kw_only=True)
class Genres(BuildOptions):
    """Build shard sets from folders of sounds, one folder per class.

    The manifest is put next to OUT.

    Attributes:
        folder: FOLDER/GENRE/*.wav, FOLDER/SPLIT/GENRE/*.wav or FOLDER/GENRE/SPLIT/*.wav, where splits have their usual
            names (train, training, val, valid, validation, dev, test, eval, ...) or are parts of them
            (train-clean-100).
        column: Name of the labels and of the task.
        split_by: How to split: `given` (use the train, val and test folders), `class` (draw files from each class, so
            that each has its share of the validation), `path` (draw from the files of all classes together, as before
            `class` was the default) or a column name. Default: `given` if those folders exist, otherwise `class`.
    """

    folder: Path
    column: str = COLUMN
    split_by: str | None = None
    positionals: ClassVar[tuple[str, ...]] = ("folder", "out")

    def run(self) -> None:
        """Build, and print what was built.

        Raises:
            CorpusError: The folder has an unexpected layout.
            BuildError: Clips are bad, or the output is in use.
        """
        self.check_outside(self.folder)
        self.check()
        with self.made_manifest() as path:
            manifest = make_manifest(self.folder, path, column=self.column, keep_others=self.keeps_others(path))
            options = replace(self, split_by=self.split_by or ("given" if manifest.has_splits else BY_CLASS))
            if options.split_by == BY_CLASS:
                options = replace(options, split_by="path", stratify_by=self.column)
            report = options.build(path, one_label=[self.column], passed_over=manifest.passed_over, folder=self.folder)
        print_report(report, text_console())
