"""Hearing the sounds of a corpus that is not built yet, as many as fit into a time, and saying what is suspicious."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from datamodules.audio import AudioError
from datamodules.batches.random_streams import Purpose, permutation
from datamodules.inspection.findings import (
    SPEAKER_COLUMNS,
    Finding,
    InspectedRow,
    copies,
    digests_of_likely_copies,
    finding,
    flawed_sounds,
    missing_classes,
    missing_marks,
    shared_across_splits,
    similar_labels,
    wrong_stretches,
)
from datamodules.inspection.sound_measures import SoundMeasures, measure_file
from datamodules.manifests.manifest import RowError
from datamodules.progress import Progress
from networks.user_code import shown_path


@dataclass(frozen=True)
class CorpusInspection:
    """What is in a corpus, and what is suspicious about it.

    Args:
        rows: The rows.
        num_files: Number of sound files.
        measured: Measures of the files that were heard and can be used.
        num_heard: Number of files that were heard.
        findings: What is suspicious.
    """

    rows: tuple[InspectedRow, ...]
    num_files: int
    measured: dict[Path, SoundMeasures]
    num_heard: int
    findings: tuple[Finding, ...]

    def label_counts(self) -> dict[str, Counter[str]]:
        """How often each label of each column occurs."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for row in self.rows:
            for column, labels in row.labels.items():
                counts[column].update(labels)
        return dict(counts)


def inspect(
    rows: Sequence[InspectedRow],
    *,
    wrong_rows: Sequence[RowError] = (),
    speakers: Sequence[str] = SPEAKER_COLUMNS,
    max_sounds: int,
    max_duration_s: float,
    seed: int,
    display: Progress,
) -> CorpusInspection:
    """Inspect a corpus.

    Args:
        rows: Its rows.
        wrong_rows: Rows of the manifest that cannot be used.
        speakers: Columns with speakers, whose values need not be in every split, but in one alone.
        max_sounds: Most files to hear; of a larger corpus, random ones.
        max_duration_s: Longest time to hear files for, in seconds.
        seed: Seed of the choice of files.
        display: Shows how many files were heard.

    Returns:
        What was found.
    """
    paths = list(dict.fromkeys(row.path for row in rows))
    display.report("comparing the files", 0, None)
    contents = digests_of_likely_copies(paths)
    order = permutation(len(paths), seed=seed, purpose=Purpose.BUILD_ORDER)
    chosen = [paths[i] for i in order[:max_sounds]]
    measured, problems = _hear(chosen, max_duration_s, display)
    findings = [
        *finding("rows that cannot be used", map(str, wrong_rows)),
        *_label_findings(rows, speakers),
        *copies(rows, contents, {path: sound.content for path, sound in measured.items() if not sound.is_silent}),
        *(found for kind, texts in sorted(problems.items()) for found in finding(f"unusable sounds ({kind})", texts)),
        *wrong_stretches(rows, {path: sound.duration_s for path, sound in measured.items()}),
        *flawed_sounds(measured),
    ]
    num_heard = len(measured) + sum(map(len, problems.values()))
    return CorpusInspection(tuple(rows), len(paths), measured, num_heard, tuple(findings))


def _label_findings(rows: Sequence[InspectedRow], speakers: Sequence[str]) -> list[Finding]:
    found = []
    for column in dict.fromkeys(column for row in rows for column in row.labels):
        found += similar_labels(rows, column)
        found += missing_marks(rows, column)
        found += (shared_across_splits if column in speakers else missing_classes)(rows, column)
    return found


def _hear(
    paths: Sequence[Path], max_duration_s: float, display: Progress
) -> tuple[dict[Path, SoundMeasures], dict[str, list[str]]]:
    measured: dict[Path, SoundMeasures] = {}
    problems: dict[str, list[str]] = defaultdict(list)
    end_s = time.monotonic() + max_duration_s
    for number, path in enumerate(paths, start=1):
        try:
            measured[path] = measure_file(path)
        except AudioError as error:
            problems[error.kind].append(str(error).replace(str(path), shown_path(path)))
        display.report("listening", number, len(paths), unit="sounds")
        if time.monotonic() > end_s:
            break
    return measured, problems
