"""Building shard sets from a manifest: several processes, the same bytes for the same input, all or nothing.

A build works in a folder next to its output (`working_folder`), job by job. A job is a tar file (`jobs`) with a record
of its content (`records`). Whatever stops a build, the next one resumes from what is there. When all records are there,
the index and the report are made from them (`finish`), and the folder moves to its place.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from datamodules.audio import PUBLISHED_SAMPLE_RATE_HZ, AudioError
from datamodules.building.build_report import BuildError, BuildReport, read_report
from datamodules.building.clips import Cutting
from datamodules.building.finish import finish_build, write_plan
from datamodules.building.jobs import bad_clips, do_jobs, plan, problem_of
from datamodules.building.nothing_left import check_left
from datamodules.building.records import Problem
from datamodules.building.working_folder import remove_finished, taking_up, up_to_date, working_on
from datamodules.files import check_writable, file_sha256, without_new_parents
from datamodules.folders.sound_folders import PassedOver, find_file, missing_target
from datamodules.manifests.label_lists import label_sets_of
from datamodules.manifests.manifest import LABEL_SEPARATOR, ManifestEntry, RowError, read_manifest
from datamodules.manifests.splitting import (
    SplitRule,
    check_splits,
    name_splits,
    names_in,
    split_entries,
    warn_of_split_folders,
)
from datamodules.progress import Progress
from datamodules.shards.index import FORMAT_VERSION

DEFAULT_CLIPS_PER_SHARD = 512
MIN_SAMPLE_RATE_HZ = 1000
"""A lower rate is most likely a mistake, such as a number of kHz: speech does not survive it."""

DEFAULT_MIN_DURATION_S = 0.05
"""Shorter clips are most likely mistakes: no word is that short."""


def build_shards(
    manifest_path: str | Path,
    out: str | Path,
    *,
    one_label: Sequence[str] = (),
    many_labels: Sequence[str] = (),
    label_lists: Mapping[str, str | Path] | None = None,
    may_be_unlabelled: Sequence[str] = (),
    label_separator: str | None = None,
    split_rule: SplitRule | None = None,
    sample_rate_hz: int = PUBLISHED_SAMPLE_RATE_HZ,
    clip_duration_s: float | None = None,
    min_duration_s: float = DEFAULT_MIN_DURATION_S,
    max_zero_fraction: float = 1.0,
    min_source_rate_hz: int = 0,
    clips_per_shard: int = DEFAULT_CLIPS_PER_SHARD,
    keep_order: bool = False,
    part: tuple[int, int] | None = None,
    num_workers: int | None = None,
    seed: int = 0,
    skip_bad: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    picture: bool = True,
    passed_over: Sequence[PassedOver] = (),
    folder: str | Path | None = None,
) -> BuildReport:
    """Build one shard set per split of a manifest: `OUT/train`, `OUT/val`, ...

    Clips are shuffled across the shards; the shuffle depends on the seed and the keys alone, so that neither the order
    of the rows nor the number of workers changes a byte. Everything is written into the folder `OUT.building`, which
    becomes `out` at the end: `out` is complete or absent. A build that was stopped resumes where it was.

    Args:
        manifest_path: The manifest, see `datamodules.manifests.manifest`.
        out: Folder to make. If it already holds the result of the same request, nothing is done.
        one_label: Label columns with one label per clip.
        many_labels: Label columns with several labels.
        label_lists: For some of these columns, a text file with their labels in the order of the classes; the default
            is the null label, then all labels of the manifest, sorted.
        may_be_unlabelled: Those of these columns whose cells may be empty; such clips have no target for that task.
        label_separator: What separates the labels of a cell of `many_labels`; None is `;`, and refuses a column that
            seems to have another separator.
        split_rule: How clips are split; None follows the manifest's column `split`.
        sample_rate_hz: Sample rate of the clips in Hz.
        clip_duration_s: What to keep around the midpoint in rows with a midpoint but neither start nor end, in seconds;
            None is the whole file.
        min_duration_s: Shorter clips are bad; in seconds.
        max_zero_fraction: Clips with a larger fraction of zeros (in 16 bits) are bad, 0 to 1.
        min_source_rate_hz: Clips from files with a lower sample rate are bad; in Hz.
        clips_per_shard: Most clips in one tar file.
        keep_order: Keep the clips in the order of their keys, for corpora that are already shuffled.
        part: (i, n) builds part i of n, counted from 0; when all are done, `merge_parts` completes the build.
        num_workers: Number of processes; None is one per core. With 1, this process does the work.
        seed: Seed of the shuffle, and of a split by rule.
        skip_bad: Leave out rows that cannot be used (missing, broken, empty, too short, not finite, silent,
            mislabelled, ...) and list them in `OUT/report.csv`. Otherwise any of them is an error.
        overwrite: Replace an earlier build at `out`.
        progress: Show progress: a bar in a terminal, otherwise a line now and then.
        picture: Draw `OUT/report.png`.
        passed_over: Files of the corpus that the manifest does not name, for the report.
        folder: Folder of the corpus, so that a split by path does not depend on where it is; None is that of the
            manifest.

    Returns:
        What was built.

    Raises:
        ManifestError: The manifest cannot be used, or none of its splits is known.
        BuildError: Clips are bad, no clip is left of a split, `out` holds something else, or another build works on it.
        NotWritableError: `out` cannot be written.
    """
    cutting = Cutting(sample_rate_hz, clip_duration_s, min_duration_s, max_zero_fraction, min_source_rate_hz)
    _check_settings(cutting, clips_per_shard, part)
    manifest, out, rule = Path(manifest_path), Path(out), split_rule or SplitRule()
    check_writable(out.parent)
    with Progress(f"building {out}", is_shown=progress) as display:
        wrong_rows: list[RowError] | None = [] if skip_bad else None
        display.report(f"reading {manifest}")
        entries = read_manifest(
            manifest,
            one_label=one_label,
            many_labels=many_labels,
            group_column=rule.column,
            may_be_unlabelled=may_be_unlabelled,
            label_separator=label_separator,
            skipped=wrong_rows,
        )
        entries, label_sets = label_sets_of(
            manifest, entries, one_label=one_label, many_labels=many_labels, lists=label_lists or {}, skipped=wrong_rows
        )
        display.report("looking for the sound files")
        entries, missing = _found_files(entries)
        entries, renamed = name_splits(manifest, entries, wrong_rows or ())
        check_left(manifest, entries, wrong_rows or (), is_given=rule.by == "given")
        root = manifest.parent if folder is None else Path(folder)
        entries = split_entries(entries, rule, seed=seed, folder=root)
        check_splits(entries)
        if rule.by == "given":
            warn_of_split_folders(manifest, entries, root)
        if missing and not skip_bad:
            raise bad_clips(missing)
        request: dict[str, Any] = {
            "format_version": FORMAT_VERSION,
            "manifest_sha256": file_sha256(manifest),
            "sounds_sha256": _sounds_digest(entries),
            "label_sets": [[name, asdict(label_set)] for name, label_set in label_sets.items()],
            **vars(cutting),
            "split_rule": rule.as_request(),
            "clips_per_shard": clips_per_shard,
            "keep_order": keep_order,
            "skip_bad": skip_bad,
            "seed": seed,
            "picture": picture,
        }
        if may_be_unlabelled:  # otherwise requests stay equal to those from before this setting
            request["may_be_unlabelled"] = sorted(may_be_unlabelled)
        if rule.by == "path" and any(
            source != name for source, name in names_in(root, {entry.source for entry in entries}).items()
        ):  # the split is not that of earlier versions
            request["split_by"] = "path in the folder"
        if renamed:
            request["renamed_splits"] = renamed
        if label_separator not in (None, LABEL_SEPARATOR):
            request["label_separator"] = label_separator
        if up_to_date(out, request, overwrite=overwrite):
            remove_finished(out, request)
            earlier = read_report(out, is_new=False)
            return replace(earlier, passed_over=tuple(passed_over)) if passed_over else earlier
        jobs = plan(entries, clips_per_shard, seed, keep_order=keep_order)
        problems = [
            Problem(error.split, error.row, "", error.source, error.kind, str(error)) for error in wrong_rows or ()
        ]
        with (
            without_new_parents(out),
            working_on(out, request, overwrite=overwrite, is_part=part is not None) as working,
        ):
            write_plan(working, jobs, problems, passed_over)
            chosen = jobs if part is None else jobs[part[0] :: part[1]]
            found = do_jobs(chosen, working, cutting, num_workers, skip_bad=skip_bad, display=display)
            if part is not None:
                return BuildReport(out, True, {}, tuple(found), (), {}, part)
            display.report("writing indexes and the report")
            finish_build(working, out, request)
        return read_report(out, is_new=True)


def merge_parts(out: str | Path, *, progress: bool = True) -> BuildReport:
    """Complete a build that was split into parts.

    Args:
        out: The output of all parts.
        progress: Show progress, as in `build_shards`.

    Returns:
        What was built: byte for byte the same as without parts.

    Raises:
        BuildError: There are no parts, some are not done, or one is still running.
    """
    out = Path(out)
    with taking_up(out) as (working, request), Progress(f"merging {out}", is_shown=progress):
        finish_build(working, out, request)
    return read_report(out, is_new=True)


def _check_settings(cutting: Cutting, clips_per_shard: int, part: tuple[int, int] | None) -> None:
    if clips_per_shard < 1:
        raise BuildError(f"clips_per_shard must be at least 1, got {clips_per_shard}")
    if cutting.sample_rate_hz < MIN_SAMPLE_RATE_HZ:
        raise BuildError(
            f"sample_rate_hz must be at least {MIN_SAMPLE_RATE_HZ} Hz, got {cutting.sample_rate_hz}: it is in Hz, not "
            "kHz (the published one is 20000)"
        )
    if cutting.clip_duration_s is not None and not cutting.clip_duration_s > 0:
        raise BuildError(f"clip_duration_s must be above 0, got {cutting.clip_duration_s}")
    if not 0 <= cutting.max_zero_fraction <= 1:
        raise BuildError(f"max_zero_fraction must be between 0 and 1, got {cutting.max_zero_fraction}")
    if part is not None and not 0 <= part[0] < part[1]:
        raise BuildError(f"part must be from 0 to parts - 1, got part {part[0]} of {part[1]} parts")


def _found_files(entries: Sequence[ManifestEntry]) -> tuple[list[ManifestEntry], list[Problem]]:
    """Find the files of rows, also if their names are in another form of Unicode.

    Returns:
        All rows, and a problem for each whose file is missing, which is cheap to find before anything is decoded.
    """
    places = {path: path if path.is_file() else find_file(path) for path in {entry.path for entry in entries}}
    moved = [
        entry if places[entry.path] is entry.path else replace(entry, path=places[entry.path]) for entry in entries
    ]
    reasons = {path: _why_missing(path) for path in places.values()}
    return moved, [
        problem_of(entry, AudioError(f"{entry.path}: {reason}", kind="missing"))
        for entry in moved
        if (reason := reasons[entry.path])
    ]


def _why_missing(path: Path) -> str:
    if path.is_file():
        return ""
    link = missing_target(path)
    return f"no such audio file: {link}" if link else "no such audio file"


def _sounds_digest(entries: Sequence[ManifestEntry]) -> str:
    """Digest of the names and sizes of the sound files, which shows that a corpus has changed since a build."""
    paths = {entry.source: entry.path for entry in entries}
    sizes = {source: path.stat().st_size for source, path in paths.items() if path.is_file()}
    text = "\n".join(f"{source}\t{sizes[source]}" for source in sorted(sizes))
    return hashlib.sha256(text.encode()).hexdigest()
