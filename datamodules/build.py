"""Building shard sets from a manifest: several processes, the same bytes for the same input, all or nothing."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from datamodules.audio import PUBLISHED_SAMPLE_RATE_HZ, AudioError
from datamodules.build_folder import BuildError, BuildReport, Problem, new_folder, read_report, up_to_date, write_report
from datamodules.build_jobs import Cutting, bad_clips, plan, problem_of, write_all
from datamodules.manifests import ManifestEntry, ManifestError, labels_of, read_label_list, read_manifest
from datamodules.shard_index import FORMAT_VERSION, file_sha256
from datamodules.shard_writer import write_index
from datamodules.tasks import LabelSet

DEFAULT_CLIPS_PER_SHARD = 512
DEFAULT_MIN_DURATION_S = 0.05
"""Shorter clips are taken for mistakes: no word is as short."""


def build_shards(
    manifest_path: str | Path,
    out: str | Path,
    *,
    one_label: Sequence[str] = (),
    many_labels: Sequence[str] = (),
    label_lists: Mapping[str, str | Path] | None = None,
    sample_rate_hz: int = PUBLISHED_SAMPLE_RATE_HZ,
    clip_duration_s: float | None = None,
    min_duration_s: float = DEFAULT_MIN_DURATION_S,
    clips_per_shard: int = DEFAULT_CLIPS_PER_SHARD,
    num_workers: int | None = None,
    seed: int = 0,
    skip_bad: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> BuildReport:
    """Build one shard set per split of a manifest: `OUT/train`, `OUT/val`, ...

    Clips are mixed over the shards by a shuffle that depends on the seed and the keys alone, so that neither the
    order of the rows nor the number of workers changes a byte. All is written into a folder beside `out`, which
    is renamed at the end: `out` is complete or absent.

    Args:
        manifest_path: the manifest, see `datamodules.manifests`.
        out: folder to make. When it holds the outcome of the same request already, nothing is done.
        one_label: label columns with one label per clip.
        many_labels: label columns with several labels, separated by `;`.
        label_lists: for some of these columns, a text file with their labels in the order of the classes;
            the default is the null label, then all labels of the manifest, sorted.
        sample_rate_hz: sample rate of the clips in Hz.
        clip_duration_s: what to keep around the midpoint in rows that give a midpoint but neither start nor end,
            in seconds; None is the whole file.
        min_duration_s: shorter clips are bad.
        clips_per_shard: most clips in one tar file.
        num_workers: processes; None is one per core. 1 works in this process.
        seed: seed of the shuffle.
        skip_bad: leave out clips that are missing, broken, empty, too short, not finite or silent, and name
            them in `OUT/report.csv`; otherwise any of them is an error.
        overwrite: replace what an earlier build has left at `out`.
        progress: show a progress bar.

    Returns:
        What was built.

    Raises:
        ManifestError: when the manifest cannot be used.
        BuildError: when clips are bad, or `out` holds something else.
    """
    if clips_per_shard < 1 or sample_rate_hz < 1:
        raise BuildError(
            f"clips_per_shard and sample_rate_hz must be at least 1, got {clips_per_shard}, {sample_rate_hz}"
        )
    if clip_duration_s is not None and not clip_duration_s > 0:
        raise BuildError(f"clip_duration_s must be above 0, got {clip_duration_s}")
    manifest, out = Path(manifest_path), Path(out)
    entries = read_manifest(manifest, one_label=one_label, many_labels=many_labels)
    label_sets = _label_sets(manifest, entries, one_label, many_labels, label_lists or {})
    cutting = Cutting(sample_rate_hz, clip_duration_s, min_duration_s, skip_bad)
    missing = _missing_files(entries)
    if missing and not skip_bad:
        raise bad_clips(missing)
    request = {
        "format_version": FORMAT_VERSION,
        "manifest_sha256": file_sha256(manifest),
        "sounds_sha256": _sounds_digest(entries),
        "label_sets": {name: [labels.kind, *labels.labels] for name, labels in label_sets.items()},
        **vars(cutting),
        "clips_per_shard": clips_per_shard,
        "seed": seed,
    }
    if up_to_date(out, request, overwrite=overwrite):
        return read_report(out, is_new=False)
    with new_folder(out) as folder:
        shards = plan(folder, entries, clips_per_shard, seed)
        written, problems = write_all(shards, cutting, num_workers, progress=progress)
        for split in sorted({shard.split for shard in shards}):
            records = [written[shard.path] for shard in shards if shard.split == split and shard.path in written]
            if not records:
                raise BuildError(f"{manifest}: no clip of split {split!r} can be used: {problems[0]}, ...")
            write_index(folder / split, records, label_sets=label_sets, sample_rate_hz=sample_rate_hz)
        write_report(folder, request, problems)
    return read_report(out, is_new=True)


def _label_sets(
    manifest: Path,
    entries: Sequence[ManifestEntry],
    one_label: Sequence[str],
    many_labels: Sequence[str],
    label_lists: Mapping[str, str | Path],
) -> dict[str, LabelSet]:
    """Label sets over all splits together; an error where a row's label is not in the given list."""
    unknown = sorted(set(label_lists) - {*one_label, *many_labels})
    if unknown:
        raise ManifestError(f"label lists are given for {unknown}, which are not among the label columns")
    label_sets = {}
    for name in (*one_label, *many_labels):
        listed = name in label_lists
        labels = read_label_list(label_lists[name]) if listed else labels_of(entries, name)
        known = set(labels)
        for entry in entries:
            foreign = [label for label in entry.labels[name] if label not in known]
            if foreign:
                raise ManifestError(
                    f"{manifest}, row {entry.row}: {name} {foreign[0]!r} is not in the list {label_lists[name]}"
                )
        label_sets[name] = LabelSet("one_label" if name in one_label else "many_labels", labels)
    return label_sets


def _missing_files(entries: Sequence[ManifestEntry]) -> list[Problem]:
    """Rows without a file: cheap to find before anything is decoded."""
    found = {path: path.is_file() for path in {entry.path for entry in entries}}
    return [
        problem_of(entry, AudioError(f"{entry.path}: no such audio file", kind="missing"))
        for entry in entries
        if not found[entry.path]
    ]


def _sounds_digest(entries: Sequence[ManifestEntry]) -> str:
    """Names and sizes of the sound files: enough to see that a corpus was changed under an old build."""
    sizes = {entry.source: entry.path.stat().st_size for entry in entries if entry.path.is_file()}
    text = "\n".join(f"{source}\t{sizes[source]}" for source in sorted(sizes))
    return hashlib.sha256(text.encode()).hexdigest()
