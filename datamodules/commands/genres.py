"""`python -m datamodules genres`: folders of sounds, one per class, to shards."""

import argparse
from pathlib import Path

from rich.console import Console

from datamodules.building.build import build_shards
from datamodules.commands.build_arguments import add_build_arguments, build_settings, manifest_beside, show
from datamodules.corpora.genres import COLUMN, has_splits, make_manifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("folder", type=Path, help="FOLDER/GENRE/*.wav, or FOLDER/{train,val,test}/GENRE/*.wav")
    parser.add_argument("out", type=Path, help="folder to make; the manifest is put beside it")
    parser.add_argument("--column", default=COLUMN, help="name of the labels and of the task (default: %(default)s)")
    add_build_arguments(parser, split_by=None)


def run(args: argparse.Namespace) -> None:
    """Build and show what was built."""
    manifest = make_manifest(args.folder, manifest_beside(args.out), column=args.column)
    if args.split_by is None:
        args.split_by = "given" if has_splits(args.folder) else "path"
    show(build_shards(manifest, args.out, one_label=[args.column], **build_settings(args)), Console())
