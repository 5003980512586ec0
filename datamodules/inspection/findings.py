"""What is suspicious about a corpus before anything is built: pure functions of rows and measures."""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from datamodules.inspection.sound_measures import SoundMeasures
from datamodules.tables import MISSING_LABELS
from networks.text.natural_order import natural_order
from networks.user_code import shown_path

SPEAKER_COLUMNS = ("speaker", "speaker_id", "client_id", "talker", "singer", "spk", "spk_id")
"""Usual names of columns with speakers."""

END_TOLERANCE_S = 0.01
"""A row may end this much after its file, as in a build."""

SHORT_S = 0.05
"""Shorter sounds are most likely mistakes, as in a build."""

_PROBE_BYTES = 4096
_NOT_SEEN = "Cf"  # format characters, such as a zero-width space or a byte order mark


@dataclass(frozen=True)
class InspectedRow:
    """A row of a manifest, or a file of a folder.

    Args:
        name: How messages call it.
        path: The sound file.
        split: Its split.
        labels: For each column, the labels.
        start_s: Start of the stretch in seconds.
        end_s: End of the stretch in seconds; None is the end of the file.
    """

    name: str
    path: Path
    split: str
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    start_s: float = 0.0
    end_s: float | None = None


@dataclass(frozen=True)
class Finding:
    """Something suspicious.

    Args:
        kind: What it is, in a few words.
        num_cases: How often.
        cases: Some of the cases, in words.
    """

    kind: str
    num_cases: int
    cases: tuple[str, ...]


def finding(kind: str, cases: Iterable[str], *, num_named: int = 5) -> list[Finding]:
    """A list with the finding, or without if there are no cases."""
    found = list(cases)
    return [Finding(kind, len(found), tuple(found[:num_named]))] if found else []


def similar_labels(rows: Sequence[InspectedRow], column: str) -> list[Finding]:
    """Labels that differ only in case, Unicode form, spaces or characters that are not seen."""
    forms: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        for label in row.labels.get(column, ()):
            key = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).casefold())
            seen = (character for character in key if unicodedata.category(character) != _NOT_SEEN)
            forms["".join("".join(seen).split())][label] += 1
    cases = [
        " and ".join(f"{_distinct(label, labels)} ({num})" for label, num in labels.items())
        for labels in forms.values()
        if len(labels) > 1
    ]
    return finding(f"labels of {column} that differ only in case, Unicode form or spaces", cases)


def missing_marks(rows: Sequence[InspectedRow], column: str) -> list[Finding]:
    """Labels that most likely are missing values, such as `NA`."""
    counts = Counter(label for row in rows for label in row.labels.get(column, ()) if label in MISSING_LABELS)
    cases = [f"{label!r} ({num})" for label, num in sorted(counts.items())]
    return finding(f"labels of {column} that most likely are missing values", cases)


def shared_across_splits(rows: Sequence[InspectedRow], column: str) -> list[Finding]:
    """Speakers who occur in several splits."""
    splits: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        for label in row.labels.get(column, ()):
            splits[label].add(row.split)
    several = natural_order(label for label, found in splits.items() if len(found) > 1)
    cases = [f"{label!r} in {', '.join(natural_order(splits[label]))}" for label in several]
    return finding(f"values of {column} in several splits", cases)


def missing_classes(rows: Sequence[InspectedRow], column: str) -> list[Finding]:
    """Classes that some split lacks."""
    labels: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        labels[row.split].update(row.labels.get(column, ()))
    every = set().union(*labels.values())
    cases = [
        f"{split!r} lacks {len(missing)} of {len(every)}: {_listed(natural_order(missing))}"
        for split in natural_order(labels)
        if (missing := every - labels[split])
    ]
    return finding(f"splits without some class of {column}", cases)


def wrong_stretches(rows: Sequence[InspectedRow], durations_s: Mapping[Path, float]) -> list[Finding]:
    """Rows that start or end after the end of their file, or are very short."""
    after, short = [], []
    for row in rows:
        file_s = durations_s.get(row.path, math.nan)
        end_s = file_s if row.end_s is None else row.end_s
        if max(row.start_s, end_s) > file_s + END_TOLERANCE_S:
            after.append(f"{row.name}: {row.start_s:g} to {end_s:g} s of {file_s:.3f} s")
        elif end_s - row.start_s < SHORT_S:
            short.append(f"{row.name}: {end_s - row.start_s:.3f} s")
    return [
        *finding("rows that end after their file", after),
        *finding(f"sounds shorter than {SHORT_S:g} s", short),
    ]


def flawed_sounds(measured: Mapping[Path, SoundMeasures]) -> list[Finding]:
    """Silent, clipped, DC-shifted and band-limited sounds."""
    cases: dict[str, list[str]] = defaultdict(list)
    for path, sound in measured.items():
        for flaw in sound.flaws():
            cases[flaw].append(f"{shown_path(path)}{_in_numbers(flaw, sound)}")
    return [found for flaw in sorted(cases) for found in finding(f"{flaw} sounds", cases[flaw])]


def copies(rows: Sequence[InspectedRow], contents: Mapping[Path, str], samples: Mapping[Path, str]) -> list[Finding]:
    """Files with the same bytes, or with the same samples; those in several splits are a finding of their own.

    Args:
        rows: The rows; those of one file are no copies.
        contents: Digest of the bytes of files that may have copies.
        samples: Digest of the samples of files that were read.
    """
    splits: dict[Path, set[str]] = defaultdict(set)
    for row in rows:
        splits[row.path].add(row.split)
    within: list[str] = []
    across: list[str] = []
    for group in _joined(contents, samples):
        text = " = ".join(f"{shown_path(path)} ({', '.join(natural_order(splits[path]))})" for path in group)
        (across if len(set().union(*(splits[path] for path in group))) > 1 else within).append(text)
    return [
        *finding("sounds that occur twice, in several splits", natural_order(across)),
        *finding("sounds that occur twice", natural_order(within)),
    ]


def digests_of_likely_copies(paths: Iterable[Path]) -> dict[Path, str]:
    """Digests of the bytes of files that may have copies: equal in size, and in some bytes in the middle."""
    likely: dict[Hashable, list[Path]] = defaultdict(list)
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path in paths:
        try:
            by_size[path.stat().st_size].append(path)
        except OSError:
            continue
    for size, group in by_size.items():
        if size and len(group) > 1:
            for path in group:
                likely[size, _middle(path, size)].append(path)
    digests = {}
    for group in likely.values():
        if len(group) > 1:
            digests.update({path: _digest(path) for path in group})
    return digests


def _joined(*digests: Mapping[Path, str]) -> list[list[Path]]:
    """Groups of at least two paths that share a digest; groups that share a path are one."""
    group_of: dict[Path, list[Path]] = {}
    for mapping in digests:
        first: dict[str, Path] = {}
        for path, digest in mapping.items():
            own = group_of.setdefault(path, [path])
            other = group_of[first.setdefault(digest, path)]
            if other is not own:
                other += own
                group_of.update(dict.fromkeys(own, other))
    groups = {id(group): group for group in group_of.values() if len(group) > 1}
    return [sorted(group) for group in groups.values()]


def _middle(path: Path, size: int) -> bytes:
    """Some bytes in the middle, as headers are alike; none if they cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(size // 2)
            return file.read(_PROBE_BYTES)
    except OSError:
        return str(path).encode("utf-8", "surrogateescape")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _in_numbers(flaw: str, sound: SoundMeasures) -> str:
    if flaw == "clipped":
        return f": {100 * sound.clipped_fraction:.1f} % of its samples"
    if flaw == "DC-shifted":
        return f": mean {sound.offset:.3f}"
    if flaw == "band-limited":
        nyquist_hz = sound.sample_rate_hz / 2
        return f": nothing above {sound.band.edge * nyquist_hz:.0f} of {nyquist_hz:.0f} Hz"
    return ""


def _distinct(label: str, labels: Iterable[str]) -> str:
    """A label in quotes, with escapes if it looks like another one on a screen."""

    def shown(text: str) -> str:
        seen = (character for character in text if unicodedata.category(character) != _NOT_SEEN)
        return " ".join(unicodedata.normalize("NFC", "".join(seen)).split())

    return ascii(label) if [shown(other) for other in labels].count(shown(label)) > 1 else repr(label)


def _listed(names: Sequence[str], *, num_named: int = 5) -> str:
    more = f" and {len(names) - num_named} more" if len(names) > num_named else ""
    return ", ".join(map(repr, names[:num_named])) + more
