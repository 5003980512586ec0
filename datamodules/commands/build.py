"""`python -m datamodules build`: from a manifest to shard sets."""

import argparse
from pathlib import Path

from rich.console import Console

from datamodules.building.build import build_shards
from datamodules.commands.build_arguments import add_build_arguments, build_settings, show

DESCRIPTION = """
A manifest is a CSV or Parquet file with one row per clip and the columns: path (absolute or relative to the
manifest); optionally start_s and end_s, midpoint_s (what windows are centred on), split (default: train), key;
and label columns, which --one-label and --many-labels name. In the latter, labels are separated by ';'.
One shard set per split is made: OUT/train, OUT/val, ... A build that was stopped goes on where it was.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = DESCRIPTION
    parser.add_argument("manifest", type=Path, help="CSV or Parquet file")
    parser.add_argument("out", type=Path, help="folder to make")
    parser.add_argument("--one-label", nargs="+", default=[], metavar="COLUMN", help="one label per clip")
    parser.add_argument("--many-labels", nargs="+", default=[], metavar="COLUMN", help="labels split by ';'")
    parser.add_argument(
        "--label-list",
        nargs="+",
        default=[],
        metavar="COLUMN=FILE",
        help="labels of a column in the order of the classes, one per line (default: sorted, null label first)",
    )
    parser.add_argument(
        "--allow-unlabelled",
        nargs="+",
        default=[],
        metavar="COLUMN",
        help="label columns whose cells may be empty: such clips count for the other tasks only (default: an error)",
    )
    parser.add_argument("--keep-order", action="store_true", help="keep the order of the keys (default: shuffle)")
    add_build_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Build and show what was built."""
    label_lists = {}
    for pair in args.label_list:
        column, separator, file = pair.partition("=")
        if not separator:
            raise SystemExit(f"--label-list takes COLUMN=FILE, got {pair!r}")
        label_lists[column] = file
    report = build_shards(
        args.manifest,
        args.out,
        one_label=args.one_label,
        many_labels=args.many_labels,
        label_lists=label_lists,
        may_be_unlabelled=args.allow_unlabelled,
        keep_order=args.keep_order,
        **build_settings(args),
    )
    show(report, Console())
    return 0
