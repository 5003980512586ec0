"""`python -m datamodules words`: recordings with word alignments to shards of single words."""

import argparse
from dataclasses import fields
from pathlib import Path

from rich.console import Console
from rich.table import Table

from datamodules.building.build import build_shards
from datamodules.commands.build_arguments import add_build_arguments, build_settings, manifest_beside, show
from datamodules.commands.help_format import DefaultsHelpAsWritten
from datamodules.corpora import recordings
from datamodules.corpora.aligned_words import make_manifest
from datamodules.corpora.word_selection import SelectionRules
from datamodules.progress import ProgressDisplay

CLIP_DURATION_S = 2.2
"""The published 2 s, and a tenth of a second on either side for jitter."""

RULES = {
    "min_letters": "letters of a word, at least",
    "margin_s": "audio on either side of the word's middle in seconds, at least",
    "min_utterances": "clips of a word and of a speaker, at least",
    "max_utterances": "clips of a word and of a speaker, fewer than this",
    "min_partners": "speakers of a word and words of a speaker, at least",
    "max_partner_fraction": "part of a word's clips that come from one speaker, and the reverse, at most (0-1)",
}
"""What the fields of `SelectionRules` mean."""

COLUMNS = ("word", "speaker")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "From recordings, TextGrid or CTM alignments and the published rules of selection to shards. "
        f"{recordings.__doc__}"
    )
    parser.formatter_class = DefaultsHelpAsWritten
    parser.add_argument("folder", type=Path, help="folder of the recordings")
    parser.add_argument("out", type=Path, help="folder to make; the manifest is put beside it")
    parser.add_argument("--layout", choices=sorted(recordings.LAYOUTS), required=True, help="see above")
    parser.add_argument("--alignments", type=Path, help="folder of TextGrid or CTM files (default: the recordings')")
    parser.add_argument("--tier", help="the TextGrids' tier of words (default: words, word, or the only one)")
    group = parser.add_argument_group("rules of selection (the defaults are the published ones)")
    for rule in fields(SelectionRules):
        group.add_argument(
            f"--{rule.name.replace('_', '-')}",
            type=type(rule.default),
            default=rule.default,
            help=RULES[rule.name],
        )
    add_build_arguments(parser, split_by="path", clip_duration_s=CLIP_DURATION_S)


def run(args: argparse.Namespace) -> None:
    """Select and build, and show what each rule removed and what was built."""
    rules = SelectionRules(**{rule.name: getattr(args, rule.name) for rule in fields(SelectionRules)})
    with ProgressDisplay(f"selecting words of {args.folder}"):
        manifest = make_manifest(
            args.folder,
            manifest_beside(args.out),
            layout=args.layout,
            alignments=args.alignments,
            tier=args.tier,
            rules=rules,
        )
    console = Console()
    removed = Table("rule", "removed", "classes", title=f"{manifest.num_clips} words are left")
    for removal in manifest.removals:
        removed.add_row(removal.rule, str(removal.num_clips), str(removal.num_classes or ""))
    console.print(removed)
    show(build_shards(manifest.path, args.out, one_label=COLUMNS, **build_settings(args)), console)
