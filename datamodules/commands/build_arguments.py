"""Arguments that all commands share which build shard sets, and what they show at the end."""

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from datamodules.audio import PUBLISHED_SAMPLE_RATE_HZ
from datamodules.building.build import DEFAULT_CLIPS_PER_SHARD, DEFAULT_MIN_DURATION_S
from datamodules.building.build_report import DUPLICATES_FILE, PICTURE_FILE, REPORT_FILE, BuildError, BuildReport
from datamodules.manifests.splitting import SPLITS, SplitRule, other_splits

_MAX_LABELS_NAMED = 10


def add_build_arguments(parser: argparse.ArgumentParser, *, split_by: str | None = "given", **defaults: Any) -> None:
    """Declare the arguments of a build.

    Args:
        parser: the command's parser.
        split_by: default of --split-by; None where the command chooses.
        defaults: other defaults, by the names of the arguments.
    """
    group = parser.add_argument_group("building")
    group.add_argument("--sample-rate-hz", type=int, default=PUBLISHED_SAMPLE_RATE_HZ, help="of the clips, in Hz")
    group.add_argument(
        "--clip-duration-s",
        type=float,
        help="what to keep around the midpoint, where a row has one and neither start nor end "
        "(default: %(default)s, None being the whole file; for jitter, more than the duration of an example)",
    )
    group.add_argument("--min-duration-s", type=float, default=DEFAULT_MIN_DURATION_S, help="shorter clips are bad")
    group.add_argument("--max-zero-fraction", type=float, default=1.0, help="clips with more zeros are bad (0-1)")
    group.add_argument(
        "--min-source-rate-hz", type=int, default=0, help="clips from files of a lower sample rate are bad"
    )
    group.add_argument(
        "--split-by",
        default=split_by,
        metavar="RULE",
        help="given (the manifest's column split), path (clips of a sound file stay together) or a column's name "
        "(e.g. speaker: its clips stay together)"
        + ("" if split_by else " (default: given where there are splits, else path)"),
    )
    group.add_argument("--val-fraction", type=float, default=0.1, help="of the files or speakers, split by rule")
    group.add_argument("--clips-per-shard", type=int, default=DEFAULT_CLIPS_PER_SHARD, help="most clips in a tar file")
    group.add_argument("--num-workers", type=int, help="processes (default: one per core)")
    group.add_argument("--seed", type=int, default=0, help="of the shuffle over the shards, and of a split by rule")
    group.add_argument(
        "--skip-bad",
        action=argparse.BooleanOptionalAction,
        default=False,
        help=f"leave out bad clips and list them in OUT/{REPORT_FILE}; otherwise any bad clip is an error "
        "(default: %(default)s)",
    )
    group.add_argument("--overwrite", action="store_true", help="replace an earlier build at OUT")
    group.add_argument(
        "--part", type=int, help="build this one of --parts parts, from 0; then `python -m datamodules merge OUT`"
    )
    group.add_argument("--parts", type=int, help="how many parts, e.g. the size of a job array")
    parser.set_defaults(**defaults)


def build_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Keyword arguments for `build_shards`.

    Args:
        args: see `add_build_arguments`.

    Raises:
        BuildError: when one of --part and --parts is given alone.
    """
    if (args.part is None) != (args.parts is None):
        raise BuildError("--part and --parts belong together")
    names = (
        "sample_rate_hz clip_duration_s min_duration_s max_zero_fraction min_source_rate_hz clips_per_shard "
        "num_workers seed skip_bad overwrite"
    )
    return {
        **{name: getattr(args, name) for name in names.split()},
        "split_rule": SplitRule(args.split_by, args.val_fraction),
        "part": None if args.part is None else (args.part, args.parts),
    }


def manifest_beside(out: Path) -> Path:
    """Where a corpus command puts the manifest that it builds from."""
    return out.with_name(f"{out.name}.csv")


def show(report: BuildReport, console: Console) -> None:
    """Print what a build has made as tables.

    Args:
        report: the build's report.
        console: where to print.
    """
    if report.part is not None:
        part, num_parts = report.part
        console.print(
            f"{report.folder}: part {part} of {num_parts} (from 0) is built, {len(report.problems)} clip(s) left out. "
            f"When all are: python -m datamodules merge {report.folder}",
            markup=False,
        )
        return
    console.print(_sets(report))
    if others := other_splits(report.shard_sets):
        console.print(
            f"training looks for {', '.join(SPLITS)}, not for {', '.join(others)}: mistyped in the manifest?",
            style="red",
            markup=False,
        )
    for name, labels in report.labels_without_training.items():
        more = f" and {len(labels) - _MAX_LABELS_NAMED} more" if len(labels) > _MAX_LABELS_NAMED else ""
        named = ", ".join(labels[:_MAX_LABELS_NAMED])
        console.print(f"{name}: {len(labels)} label(s) never occur in train: {named}{more}", markup=False)
    if report.duplicates:
        console.print(_duplicates_line(report), markup=False)
    if report.problems:
        reasons = Counter(problem.kind for problem in report.problems)
        skipped = Table("reason", "clips", title=f"left out, see {report.folder / REPORT_FILE}")
        for reason, times in reasons.most_common():
            skipped.add_row(reason, str(times))
        console.print(skipped)
    if (report.folder / PICTURE_FILE).is_file():
        console.print(f"a picture of all this: {report.folder / PICTURE_FILE}", markup=False)


def _sets(report: BuildReport) -> Table:
    table = Table(title=f"{report.folder}" + ("" if report.is_new else " (up to date, nothing was done)"))
    for column in ("split", "clips", "minutes", "shards", "classes (with clips)", "left out"):
        table.add_column(column, justify="left" if column == "split" else "right")
    for split, shards in report.shard_sets.items():
        index = shards.index
        classes = ", ".join(
            f"{name} {sum(count > 0 for count in counts)}" for name, counts in index.num_clips_per_class.items()
        )
        left_out = sum(problem.split == split for problem in report.problems)
        minutes = f"{index.duration_s / 60:.1f}"
        table.add_row(split, str(len(shards)), minutes, str(len(index.shards)), classes, str(left_out))
    return table


def _duplicates_line(report: BuildReport) -> str:
    splits: dict[str, set[str]] = {}
    for duplicate in report.duplicates:
        splits.setdefault(duplicate.content, set()).add(duplicate.split)
    across = sum(len(found) > 1 for found in splits.values())
    return (
        f"{len(report.duplicates)} clips share {len(splits)} sounds, {across} of them across splits: "
        f"see {report.folder / DUPLICATES_FILE}"
    )
