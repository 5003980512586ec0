"""What a build made and left out, as values and as tables.

The folder of a build holds

- `build.json`: the request;
- `report.csv`: the rows that were left out, each with its reason;
- `passed_over.csv`: files of the corpus that the manifest does not name, if there are any: columns kind, path;
- `statistics.csv`: columns split, quantity, name, value; clips, durations, clips per class, clips left out by reason,
  clipped clips, partly silent clips, copies, clips from files of a lower sample rate, short clips;
- `duplicates.csv`: clips with the same sound, which share a value of `content`;
- `report.png`: the same as a figure.
"""

import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from datamodules.audio import PUBLISHED_DURATION_S
from datamodules.building.clip_quality import MANY_CLIPPED, MANY_ZEROS
from datamodules.building.records import JobOutcome, Problem
from datamodules.files import write_json, write_text
from datamodules.folders.sound_folders import PassedOver
from datamodules.shards.reader import ShardSet
from datamodules.tasks import LabelSet
from datamodules.text_files import nfc

REQUEST_FILE = "build.json"
REPORT_FILE = "report.csv"
STATISTICS_FILE = "statistics.csv"
DUPLICATES_FILE = "duplicates.csv"
PASSED_OVER_FILE = "passed_over.csv"
PICTURE_FILE = "report.png"

LOWER_RATE = "clips from a lower rate"
"""Clips from files of a lower sample rate, by that rate: they have nothing above half of it."""
SHORT = "clips shorter than an example"
"""Clips shorter than the default duration of an example of training, which adds silence."""


class Statistic(NamedTuple):
    """A row of `statistics.csv`."""

    split: str
    quantity: str
    name: str
    value: float


class BuildError(ValueError):
    """A build that is not possible; the message names the cause."""


class NothingLeftError(BuildError):
    """No clip of a split can be used: building again from the same rows would end in the same way."""


@dataclass(frozen=True)
class Duplicate:
    """A clip with the same sound as another clip.

    Args:
        content: Digest of the sound.
        split: Split of the clip.
        key: Its key.
        source: Its sound file, as in the manifest.
        labels: Its labels, as text.
    """

    content: str
    split: str
    key: str
    source: str
    labels: str


@dataclass(frozen=True)
class BuildReport:
    """What a build made.

    Args:
        folder: The output folder.
        is_new: False if the folder already held the result of the same request.
        shard_sets: The shard sets by split; empty if only a part was built.
        problems: Rows that were left out.
        duplicates: Clips whose sound occurs more than once, sorted by sound.
        labels_without_training: For each label set, the labels that occur in other splits but never in "train"; empty
            without a split "train".
        part: Index of the part that was built, and number of parts; None if the build is complete.
        passed_over: Files of the corpus that the manifest does not name.
        statistics: What is counted; empty if only a part was built.
    """

    folder: Path
    is_new: bool
    shard_sets: Mapping[str, ShardSet]
    problems: tuple[Problem, ...]
    duplicates: tuple[Duplicate, ...]
    labels_without_training: Mapping[str, tuple[str, ...]]
    part: tuple[int, int] | None = None
    passed_over: tuple[PassedOver, ...] = ()
    statistics: tuple[Statistic, ...] = ()

    def counted(self, quantity: str) -> dict[str, int]:
        """Sum a quantity of the statistics over splits, by name."""
        found: Counter[str] = Counter()
        for row in self.statistics:
            if row.quantity == quantity:
                found[row.name] += int(row.value)
        return dict(found)


def write_build_report(
    folder: Path,
    request: Mapping[str, Any],
    outcomes: Mapping[str, Sequence[JobOutcome]],
    problems: Sequence[Problem],
    label_sets: Mapping[str, LabelSet],
    *,
    passed_over: Sequence[PassedOver] = (),
) -> None:
    """Write the request, and the tables of what was made and left out.

    Args:
        folder: The build's folder, which nobody reads yet.
        request: The request, plain JSON values.
        outcomes: For each split, the outcomes of its jobs.
        problems: The rows that were left out.
        label_sets: The label sets.
        passed_over: Files of the corpus that the manifest does not name.
    """
    write_json(folder / REQUEST_FILE, request)
    _write_csv(folder / REPORT_FILE, _names(Problem), map(astuple, problems))
    _write_csv(folder / DUPLICATES_FILE, _names(Duplicate), map(astuple, _duplicates(outcomes)))
    if passed_over:
        _write_csv(folder / PASSED_OVER_FILE, PassedOver._fields, passed_over)
    counted = statistics(outcomes, problems, label_sets, request["sample_rate_hz"])
    _write_csv(folder / STATISTICS_FILE, Statistic._fields, counted)


def read_report(out: Path, *, is_new: bool) -> BuildReport:
    """Read the report of a build.

    Args:
        out: The build's folder.
        is_new: Whether it was made just now.

    Returns:
        The report, with the shard sets opened.

    Raises:
        ShardError: A shard set is damaged.
    """
    problems = tuple(Problem(split, int(row), *rest) for split, row, *rest in _read_csv(out / REPORT_FILE))
    duplicates = tuple(Duplicate(*row) for row in _read_csv(out / DUPLICATES_FILE))
    folders = sorted(path for path in out.iterdir() if path.is_dir())
    shard_sets = {folder.name: ShardSet(folder) for folder in folders}
    passed = out / PASSED_OVER_FILE
    return BuildReport(
        out,
        is_new,
        shard_sets,
        problems,
        duplicates,
        _labels_without_training(shard_sets),
        passed_over=tuple(PassedOver(*row) for row in _read_csv(passed)) if passed.is_file() else (),
        statistics=tuple(
            Statistic(split, quantity, name, float(value))
            for split, quantity, name, value in _read_csv(out / STATISTICS_FILE)
        ),
    )


def statistics(
    outcomes: Mapping[str, Sequence[JobOutcome]],
    problems: Iterable[Problem],
    label_sets: Mapping[str, LabelSet],
    sample_rate_hz: int,
) -> list[Statistic]:
    """Count what a build made.

    Args:
        outcomes: For each split, the outcomes of its jobs.
        problems: The rows that were left out.
        label_sets: The label sets.
        sample_rate_hz: Sample rate of the clips in Hz.

    Returns:
        The rows.
    """
    rows: list[Statistic] = []
    kinds = Counter((problem.split, problem.kind) for problem in problems)
    copies = Counter(duplicate.split for duplicate in _duplicates(outcomes))
    for split, jobs in outcomes.items():
        clips = [clip for job in jobs for clip in job.clips]
        qualities = [quality for job in jobs for quality in job.qualities]
        durations = [clip.num_samples / sample_rate_hz for clip in clips]
        rows.append(Statistic(split, "clips", "", len(clips)))
        rows += [
            Statistic(split, "duration_s", name, value)
            for name, value in (("total", sum(durations)), ("shortest", min(durations)), ("longest", max(durations)))
        ]
        for name, label_set in label_sets.items():
            counts = Counter(label for clip in clips for label in clip.labels[name])
            rows += [Statistic(split, f"clips of {name}", label, counts[label]) for label in label_set.labels]
        num_clipped = sum(quality.clipped_fraction > MANY_CLIPPED for quality in qualities)
        num_silent = sum(quality.zero_fraction > MANY_ZEROS for quality in qualities)
        rows.append(Statistic(split, "clipped clips", "", num_clipped))
        rows.append(Statistic(split, "partly silent clips", "", num_silent))
        rows.append(Statistic(split, "clips with copies", "", copies[split]))
        lower = Counter(q.source_rate_hz for q in qualities if 0 < q.source_rate_hz < sample_rate_hz)
        rows += [Statistic(split, LOWER_RATE, f"{rate_hz} Hz", lower[rate_hz]) for rate_hz in sorted(lower)]
        num_short = sum(duration_s < PUBLISHED_DURATION_S for duration_s in durations)
        rows.append(Statistic(split, SHORT, f"{PUBLISHED_DURATION_S:g} s", num_short))
    rows += [Statistic(split, "left out", kind, times) for (split, kind), times in sorted(kinds.items())]
    return rows


def _duplicates(outcomes: Mapping[str, Sequence[JobOutcome]]) -> list[Duplicate]:
    found = defaultdict(list)
    for split, jobs in outcomes.items():
        for job in jobs:
            for clip, quality, source in zip(job.clips, job.qualities, job.sources, strict=True):
                labels = json.dumps(clip.labels, ensure_ascii=False, sort_keys=True)
                found[quality.content].append(Duplicate(quality.content, split, clip.key, source, labels))
    groups = (found[content] for content in sorted(found) if len(found[content]) > 1)
    return [duplicate for group in groups for duplicate in sorted(group, key=astuple)]


def _names(kind: type) -> list[str]:
    return [field.name for field in fields(kind)]


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    # Names of files may be in either Unicode form; here they compare with those of labels, which are in NFC.
    writer.writerows([nfc(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    write_text(path, buffer.getvalue())


def _read_csv(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


def _labels_without_training(shard_sets: Mapping[str, ShardSet]) -> dict[str, tuple[str, ...]]:
    if "train" not in shard_sets:
        return {}
    train = shard_sets["train"].index
    lacking = {}
    for name, label_set in train.label_sets.items():
        counts = [shards.index.num_clips_per_class[name] for shards in shard_sets.values()]
        lacking[name] = tuple(
            label
            for label, in_train, *in_any in zip(label_set.labels, train.num_clips_per_class[name], *counts, strict=True)
            if in_train == 0 and any(in_any)
        )
    return {name: labels for name, labels in lacking.items() if labels}
