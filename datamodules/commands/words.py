"""The command `python -m datamodules words`."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.table import Table

from datamodules.commands.build_options import BuildOptions
from datamodules.commands.tables.report_tables import print_report
from datamodules.corpora.aligned_words import WordManifest, make_manifest
from datamodules.corpora.word_selection import SelectionRules
from datamodules.progress import Progress
from networks.commands.dispatch import text_console
from networks.text.wording import counted

CLIP_DURATION_S = 2.2
"""The published 2 s, and a tenth of a second on either side for jitter."""

_COLUMNS = ("word", "speaker")


@dataclass(kw_only=True)
class Words(BuildOptions, SelectionRules):
    """Build shard sets of single words from recordings with word alignments.

    The published rules select the words; their defaults are the published values. The manifest is put next to OUT.

    Layouts of the recordings:

    - librispeech: .../SPEAKER-CHAPTER-NUMBER.flac (Panayotov et al. 2015); `--split_by given` takes the splits of its
      folders, such as dev-clean;
    - commonvoice: clips/*.mp3, with validated.tsv, whose columns path and client_id name the speakers (Ardila et al.
      2020);
    - articles: ARTICLE/*.ogg, as in the Spoken Wikipedia (Köhn et al. 2016), with a table speakers.csv that has the
      columns article and speaker;
    - table: any other; a table recordings.csv with the columns path (relative to the folder) and speaker. A recording
      of several speakers has a row for each: the tiers of its TextGrid are named `SPEAKER - words`, or the channels of
      its CTM file and sound (1, 2 or A, B) are in the column channel;
    - package.module:function or path/file.py:function: your own, whose rows have a path and a speaker; see
      datamodules/corpora/layouts.py.

    Attributes:
        folder: Folder of the recordings.
        layout: Name of the layout, see above.
        alignments: Folder of TextGrid or CTM files; that of the recordings if not given.
        tier: Tier of words of the TextGrid files, or what follows "SPEAKER - " in the tiers of several speakers; words,
            word or the only one if not given.
        not_words: Names of silence and noise in the alignments, which are no words. The default is the usual ones: sil,
            sp, spn, nsn, noise, laughter and so on. Marks in brackets such as <unk> or [noise] are never words.
    """

    folder: Path
    layout: str
    alignments: Path | None = None
    tier: str | None = None
    not_words: list[str] | None = None
    split_by: str | None = "path"
    clip_duration_s: float | None = CLIP_DURATION_S
    positionals: ClassVar[tuple[str, ...]] = ("folder", "out")

    def run(self) -> None:
        """Select and build, and print what each rule removed and what was built.

        Raises:
            CorpusError: The corpus has an unexpected layout, or no word is left.
            BuildError: Clips are bad, or the output is in use.
        """
        self.check()
        console = text_console()
        with self.made_manifest() as path:
            with Progress(f"selecting words of {self.folder}"):
                manifest = make_manifest(
                    self.folder,
                    path,
                    layout=self.layout,
                    alignments=self.alignments,
                    tier=self.tier,
                    not_words=self.not_words,
                    rules=self,
                    skip_bad=self.skip_bad,
                    keep_others=self.keeps_others(path),
                )
            console.print(_removed(manifest))
            report = self.build(path, one_label=_COLUMNS, passed_over=manifest.passed_over, folder=self.folder)
        print_report(report, console)


def _removed(manifest: WordManifest) -> Table:
    table = Table("rule", "removed", "classes", title=f"{counted(manifest.num_clips, 'word', 'is')} left")
    for removal in manifest.removals:
        table.add_row(removal.rule, str(removal.num_clips), str(removal.num_classes or ""))
    return table
