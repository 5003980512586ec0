"""`python -m datamodules build`: from a manifest to shard sets."""

import argparse
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from datamodules.audio import PUBLISHED_SAMPLE_RATE_HZ
from datamodules.build import DEFAULT_CLIPS_PER_SHARD, DEFAULT_MIN_DURATION_S, build_shards
from datamodules.build_folder import REPORT_FILE, BuildReport

_MAX_LABELS_NAMED = 10

DESCRIPTION = """
A manifest is a CSV or Parquet file with one row per clip and the columns: path (absolute or relative to the
manifest); optionally start_s and end_s, midpoint_s (what windows are centred on), split (default: train), key;
and label columns, which --one-label and --many-labels name. In the latter, labels are separated by ';'.
One shard set per split is made: OUT/train, OUT/val, ...
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
    parser.add_argument("--sample-rate-hz", type=int, default=PUBLISHED_SAMPLE_RATE_HZ)
    parser.add_argument(
        "--clip-duration-s",
        type=float,
        help="what to keep around the midpoint, where a row has one and neither start nor end "
        "(default: the whole file; for jitter, more than the duration of an example)",
    )
    parser.add_argument("--min-duration-s", type=float, default=DEFAULT_MIN_DURATION_S)
    parser.add_argument("--clips-per-shard", type=int, default=DEFAULT_CLIPS_PER_SHARD)
    parser.add_argument("--num-workers", type=int, help="processes (default: one per core)")
    parser.add_argument("--seed", type=int, default=0, help="of the shuffle over the shards")
    parser.add_argument(
        "--skip-bad",
        action="store_true",
        help=f"leave out bad clips and list them in OUT/{REPORT_FILE} (default: any bad clip is an error)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier build at OUT")


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
        sample_rate_hz=args.sample_rate_hz,
        clip_duration_s=args.clip_duration_s,
        min_duration_s=args.min_duration_s,
        clips_per_shard=args.clips_per_shard,
        num_workers=args.num_workers,
        seed=args.seed,
        skip_bad=args.skip_bad,
        overwrite=args.overwrite,
    )
    show(report, Console())
    return 0


def show(report: BuildReport, console: Console) -> None:
    """Print what a build has made as tables.

    Args:
        report: the build's report.
        console: where to print.
    """
    sets = Table(title=f"{report.folder}" + ("" if report.is_new else " (up to date, nothing was done)"))
    for column in ("split", "clips", "minutes", "shards", "classes (with clips)", "left out"):
        sets.add_column(column, justify="left" if column == "split" else "right")
    for split, shards in report.shard_sets.items():
        index = shards.index
        classes = ", ".join(
            f"{name} {sum(count > 0 for count in counts)}" for name, counts in index.num_clips_per_class.items()
        )
        left_out = sum(problem.split == split for problem in report.problems)
        minutes = f"{index.duration_s / 60:.1f}"
        sets.add_row(split, str(len(shards)), minutes, str(len(index.shards)), classes, str(left_out))
    console.print(sets)
    for name, labels in report.labels_without_training.items():
        more = f" and {len(labels) - _MAX_LABELS_NAMED} more" if len(labels) > _MAX_LABELS_NAMED else ""
        named = ", ".join(labels[:_MAX_LABELS_NAMED])
        console.print(f"{name}: {len(labels)} label(s) never occur in train: {named}{more}", markup=False)
    if report.problems:
        reasons = Counter(problem.kind for problem in report.problems)
        skipped = Table("reason", "clips", title=f"left out, see {report.folder / REPORT_FILE}")
        for reason, times in reasons.most_common():
            skipped.add_row(reason, str(times))
        console.print(skipped)
