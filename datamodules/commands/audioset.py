"""`python -m datamodules audioset`: AudioSet's segment lists and clips to shards."""

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from datamodules.building.build import build_shards
from datamodules.commands.build_arguments import add_build_arguments, build_settings, manifest_beside, show
from datamodules.corpora.audioset import COLUMN, MAX_ZERO_FRACTION, make_manifest
from datamodules.progress import ProgressDisplay

DESCRIPTION = """
Segments without speech, whispering or silence, nor music with no finer label, and with at most 10 % zeros (the
published rules) become shards whose labels are closed over the ontology. A list of the labels to use, in the order
of the classes, can be given; it must have all labels that occur.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = DESCRIPTION
    parser.add_argument("out", type=Path, help="folder to make; the manifest is put beside it")
    parser.add_argument("--train", type=Path, required=True, help="published: unbalanced_train_segments.csv")
    parser.add_argument("--val", type=Path, required=True, help="published: balanced_train_segments.csv")
    parser.add_argument("--ontology", type=Path, required=True, help="ontology.json")
    parser.add_argument("--clips", type=Path, required=True, help="folder of sounds, named YTID or YTID_START...")
    parser.add_argument("--label-list", type=Path, help="labels in the order of the classes (default: sorted)")
    add_build_arguments(parser, skip_bad=True, max_zero_fraction=MAX_ZERO_FRACTION)


def run(args: argparse.Namespace) -> None:
    """Build, and show what was built and left out."""
    with ProgressDisplay(f"selecting segments with a sound in {args.clips}"):
        manifest = make_manifest(
            {"train": args.train, "val": args.val}, args.ontology, args.clips, manifest_beside(args.out)
        )
    removed = Table("split", "left out", "segments", title="segments that were left out")
    for split, counts in manifest.removed.items():
        for reason, times in counts.most_common():
            removed.add_row(split, reason, str(times))
    console = Console()
    console.print(removed)
    lists = {} if args.label_list is None else {COLUMN: args.label_list}
    report = build_shards(manifest.path, args.out, many_labels=[COLUMN], label_lists=lists, **build_settings(args))
    show(report, console)
