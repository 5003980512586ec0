"""What commands print about a build."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from networks.commands.program import program
from networks.text.wording import counted

if TYPE_CHECKING:
    from datamodules.building.build_report import BuildReport

_MAX_LABELS_NAMED = 10


def print_report(report: BuildReport, console: Console) -> None:
    """Print what a build made and left out."""
    from datamodules.building.build_report import PICTURE_FILE, REPORT_FILE
    from datamodules.manifests.splitting import SPLITS, other_splits

    if report.part is not None:
        part, num_parts = report.part
        console.print(
            f"{report.folder}: part {part} of {num_parts} (from 0) is built, {counted(len(report.problems), 'clip')} "
            "left out. "
            f"When all are: {program('datamodules', 'merge')} {report.folder}",
            markup=False,
        )
        return
    # In lines of their own: titles of tables are as narrow as these.
    done = "" if report.is_new else " (up to date, nothing was done)"
    console.print(f"{report.folder}{done}", markup=False, highlight=False, soft_wrap=True)
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
        console.print(f"{name}: {counted(len(labels), 'label')} never in train: {named}{more}", markup=False)
    if report.duplicates:
        console.print(_duplicates_line(report), markup=False)
    for line in (_lower_rate_line(report), _short_line(report)):
        if line:
            console.print(line, markup=False)
    if report.passed_over:
        from datamodules.building.build_report import PASSED_OVER_FILE
        from datamodules.folders.sound_folders import describe

        line = f"passed over: {describe(report.passed_over)} (all are in {report.folder / PASSED_OVER_FILE})"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if report.problems:
        reasons = Counter(problem.kind for problem in report.problems)
        where = f"left out: {counted(len(report.problems), 'clip')}, see {report.folder / REPORT_FILE}"
        console.print(where, markup=False, highlight=False, soft_wrap=True)
        skipped = Table("reason", "clips")
        for reason, times in reasons.most_common():
            skipped.add_row(reason, str(times))
        console.print(skipped)
    if (report.folder / PICTURE_FILE).is_file():
        console.print(f"figure: {report.folder / PICTURE_FILE}", markup=False)


def _sets(report: BuildReport) -> Table:
    table = Table()
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
    from datamodules.building.build_report import DUPLICATES_FILE

    splits: dict[str, set[str]] = {}
    for duplicate in report.duplicates:
        splits.setdefault(duplicate.content, set()).add(duplicate.split)
    across = sum(len(found) > 1 for found in splits.values())
    return (
        f"{counted(len(report.duplicates), 'clip', 'shares')} {counted(len(splits), 'sound')}, {across} of them "
        "across splits: "
        f"see {report.folder / DUPLICATES_FILE}"
    )


def _lower_rate_line(report: BuildReport) -> str:
    from datamodules.building.build_report import LOWER_RATE

    by_rate = report.counted(LOWER_RATE)
    if not by_rate:
        return ""
    rates = ", ".join(f"{rate} {number}" for rate, number in by_rate.items())
    rate_hz = next(iter(report.shard_sets.values())).sample_rate_hz
    return (
        f"{sum(by_rate.values())} of {_num_clips(report)} clips are from files of less than {rate_hz} Hz ({rates}): "
        f"they have nothing above half of that. --min_source_rate_hz {rate_hz} would leave them out"
    )


def _short_line(report: BuildReport) -> str:
    from datamodules.building.build_report import SHORT

    short = {duration: number for duration, number in report.counted(SHORT).items() if number}
    return "".join(
        f"{number} of {_num_clips(report)} clips are shorter than {duration}, the default duration of an example: "
        "training adds silence (data.duration_s)"
        for duration, number in short.items()
    )


def _num_clips(report: BuildReport) -> int:
    return sum(map(len, report.shard_sets.values()))
