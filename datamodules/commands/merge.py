"""`python -m datamodules merge`: complete a build whose parts were built as jobs of their own."""

import argparse
from pathlib import Path

from rich.console import Console

from datamodules.building.build import merge_parts
from datamodules.commands.build_arguments import show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("out", nargs="+", type=Path, help="the output that all parts were given")


def run(args: argparse.Namespace) -> None:
    """Merge and show what was built."""
    for out in args.out:
        show(merge_parts(out), Console())
