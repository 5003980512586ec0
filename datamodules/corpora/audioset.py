"""AudioSet (Gemmeke et al. 2017): segments of videos with several labels, and a folder of their sounds.

Segment lists are CSV files with lines `YTID, start_seconds, end_seconds, "id,id,..."`. Sounds are found by name, in the
folder or at any depth below: `YTID`, `YYTID`, `YTID_START`, `YTID_START_END`, with times in whole seconds, seconds with
three decimals, or milliseconds.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from datamodules.building.build_report import BuildError
from datamodules.corpora.ontology import Ontology, read_ontology
from datamodules.corpora.sounds import CorpusError, corpus_errors, sounds_of, write_manifest
from datamodules.folders.sound_folders import PassedOver, passed_over
from datamodules.manifests.manifest import LABEL_SEPARATOR
from datamodules.text_files import TextFileError, read_text

COLUMN = "audioset"

EXCLUDED_BRANCHES = ("Speech", "Whispering", "Silence")
"""Segments with one of these labels, or one below it, are left out (Feather et al. 2019)."""

TOO_COARSE = "Music"
"""Segments with this label and none below it are left out (Feather et al. 2019)."""

MAX_ZERO_FRACTION = 0.1
"""Clips with a larger fraction of zeros are left out (Feather et al. 2019)."""

NO_SOUND = "no sound in the folder"


class Segment(NamedTuple):
    """A line of a segment list: video, times in seconds, and label identifiers."""

    video: str
    start_s: float
    end_s: float
    ids: tuple[str, ...]


class AudioSetManifest(NamedTuple):
    """A manifest, for each split how many segments each rule removed, and what the folder holds without a segment."""

    path: Path
    removed: dict[str, Counter[str]]
    passed_over: tuple[PassedOver, ...] = ()


def make_manifest(
    segment_lists: Mapping[str, str | Path],
    ontology: str | Path,
    clips: str | Path,
    out: str | Path,
    *,
    keep_others: bool = False,
) -> AudioSetManifest:
    """Write a manifest of the segments that have a sound and are not excluded, with the ancestors of their labels.

    Args:
        segment_lists: CSV file of each split; the published ones are the unbalanced list for training and the balanced
            list for testing.
        ontology: The file `ontology.json`.
        clips: Folder of sounds.
        out: Manifest to write, CSV or Parquet, with the columns path, split and audioset.
        keep_others: Do not replace a file at `out` with other content.

    Raises:
        CorpusError: A file is missing or broken, a segment has several sounds, nothing is left of a split, or a file at
            `out` is to be kept.
    """
    try:
        known = read_ontology(ontology)
        sounds: dict[str, list[Path]] = {}
        for sound in sounds_of(Path(clips)):
            sounds.setdefault(sound.stem, []).append(sound)
        rows: list[dict[str, object]] = []
        removed: dict[str, Counter[str]] = {}
        with_segment: set[Path] = set()
        for split, path in segment_lists.items():
            removed[split] = Counter()
            segments = read_segments(path)
            with_segment.update(sound for segment in segments for sound in _sounds_of(segment, sounds))
            chosen = list(_rows(segments, split, known, sounds, removed[split]))
            if not chosen:
                missing = removed[split][NO_SOUND]
                place = f". Sounds named YTID or YTID_START are looked for in {clips}, at any depth" if missing else ""
                raise CorpusError(f"{path}: no segment is left for {split!r}; removed: {dict(removed[split])}{place}")
            rows += chosen
        with corpus_errors():
            others = passed_over(Path(clips), with_segment)
    except CorpusError:
        raise
    except BuildError as error:
        raise CorpusError(str(error)) from error
    return AudioSetManifest(write_manifest(Path(out), rows, keep_others=keep_others), removed, others)


def read_segments(path: str | Path) -> list[Segment]:
    """Read a segment list.

    Raises:
        CorpusError: It is missing, or a line has an unexpected format; the message names the line.
    """
    try:
        lines = csv.reader(io.StringIO(read_text(path), newline=""), skipinitialspace=True, strict=True)
        return [
            _segment(f"{path}, line {lines.line_num}", fields)
            for fields in lines
            if fields and not fields[0].startswith("#")
        ]
    except OSError as error:
        raise CorpusError(f"{path} cannot be read as a list of segments ({error.strerror})") from error
    except TextFileError as error:
        raise CorpusError(str(error)) from error
    except csv.Error as error:
        raise CorpusError(f"{path}, line {lines.line_num}: wrong quotes ({error})") from error


def exclusion(ids: Iterable[str], ontology: Ontology) -> str | None:
    """Find the published rule that leaves out a segment.

    Args:
        ids: Identifiers of the segment's labels.
        ontology: The ontology.

    Returns:
        Name of the rule; None if the segment is kept.
    """
    given = set(ids)
    for name in EXCLUDED_BRANCHES:
        if given & ontology.branch(ontology.id_of(name)):
            return f"in the branch {name!r}"
    music = ontology.id_of(TOO_COARSE)
    if music in given and given <= {music} | ontology.ancestors(music):
        return f"{TOO_COARSE!r} with no finer label"
    return None


def _rows(
    segments: Iterable[Segment],
    split: str,
    ontology: Ontology,
    sounds: Mapping[str, Sequence[Path]],
    removed: Counter[str],
) -> Iterator[dict[str, object]]:
    reasons: dict[frozenset[str], str | None] = {}
    for segment in segments:
        ids = frozenset(segment.ids)
        if ids not in reasons:
            unknown = sorted(ids - set(ontology.categories))
            reasons[ids] = f"unknown label {unknown[0]}" if unknown else exclusion(ids, ontology)
        found = _sounds_of(segment, sounds)
        reason = reasons[ids] or (None if found else NO_SOUND)
        if reason is not None:
            removed[reason] += 1
            continue
        if len(found) > 1:
            raise CorpusError(f"{found[0]} and {found[1]} have the name of one segment; keep one of them in the folder")
        labels = sorted(ontology.categories[id].name for id in ontology.closure(ids))
        yield {"path": str(found[0]), "split": split, COLUMN: LABEL_SEPARATOR.join(labels)}


def _sounds_of(segment: Segment, sounds: Mapping[str, Sequence[Path]]) -> Sequence[Path]:
    return next((sounds[name] for name in _names(segment) if name in sounds), ())


def _segment(where: str, fields: list[str]) -> Segment:
    try:
        video, start_s, end_s, ids = (field.strip() for field in fields)
        segment = Segment(video, float(start_s), float(end_s), tuple(id.strip() for id in ids.split(",") if id.strip()))
    except ValueError as error:
        raise CorpusError(f"{where}: expected YTID, start_seconds, end_seconds, labels; got {fields}") from error
    if not segment.ids or not segment.video or not 0 <= segment.start_s < segment.end_s:
        raise CorpusError(
            f"{where}: expected a non-empty video ID, 0 <= start < end, and at least one label; got {fields}"
        )
    return segment


def _names(segment: Segment) -> Iterator[str]:
    times = (segment.start_s, segment.end_s)
    for video in (segment.video, f"Y{segment.video}"):
        yield video
        for start, end in (
            tuple(f"{time:.0f}" for time in times),
            tuple(f"{time:.3f}" for time in times),
            tuple(f"{1000 * time:.0f}" for time in times),
        ):
            yield f"{video}_{start}"
            yield f"{video}_{start}_{end}"
