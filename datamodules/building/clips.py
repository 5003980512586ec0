"""Cutting the clip of a manifest's row, or saying why that is not possible."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from datamodules.audio import AudioError, Stretch, check_source_rate, demean, read_stretch, resample
from datamodules.building.clip_quality import FULL_SCALE, zero_fraction
from datamodules.manifests.manifest import ManifestEntry
from datamodules.shards.writer import NewClip

END_TOLERANCE_S = 0.01
"""A row may end this much after its file, as alignments and rounded times often do."""


@dataclass(frozen=True)
class Cutting:
    """How rows become clips.

    Args:
        sample_rate_hz: Sample rate of the clips in Hz.
        clip_duration_s: What to keep around the midpoint in rows with a midpoint but neither start nor end, in seconds;
            None is the whole file.
        min_duration_s: Shorter clips are bad; in seconds.
        max_zero_fraction: Clips with a larger fraction of zeros are bad.
        min_source_rate_hz: Clips from files with a lower sample rate are bad; in Hz.
    """

    sample_rate_hz: int
    clip_duration_s: float | None = None
    min_duration_s: float = 0.0
    max_zero_fraction: float = 1.0
    min_source_rate_hz: int = 0


class CutClip(NamedTuple):
    """A clip, and what it was cut from.

    Args:
        clip: The clip.
        source_rate_hz: Sample rate of its file in Hz.
    """

    clip: NewClip
    source_rate_hz: int


def cut_clip(entry: ManifestEntry, cutting: Cutting) -> CutClip:
    """Read the stretch of sound that a row names.

    That is `start_s` to `end_s` if the row has either. Otherwise, if it has a midpoint and `cutting` a duration, it is
    that duration around the midpoint, within the file. Otherwise it is the whole file.

    Args:
        entry: The row.
        cutting: How rows become clips.

    Returns:
        The clip.

    Raises:
        AudioError: The sound is missing, broken, empty, too short, not finite, silent, or has too many zeros or the
            wrong sample rate.
    """
    start_s, duration_s = _stretch(entry, cutting.clip_duration_s)
    waveform, source_rate_hz = _read(entry, cutting, start_s, duration_s)  # (T,)
    found_s = len(waveform) / cutting.sample_rate_hz
    if entry.end_s is not None and start_s + found_s < entry.end_s - END_TOLERANCE_S:
        raise AudioError(
            f"{_name(entry)}: too short: ends at {start_s + found_s:.3f} s, before {entry.end_s} s", kind="too short"
        )
    if found_s < cutting.min_duration_s:
        raise AudioError(
            f"{_name(entry)}: too short: {found_s:.3f} s, expected at least {cutting.min_duration_s} s",
            kind="too short",
        )
    _check_audible(entry, cutting, waveform)
    clip = NewClip(
        key=entry.key,
        waveform=waveform,
        midpoint=_midpoint(entry, start_s, len(waveform), cutting.sample_rate_hz),
        labels=entry.labels,
        source=entry.source,
    )
    return CutClip(clip, source_rate_hz)


def _name(entry: ManifestEntry) -> str:
    return f"{entry.path}" if entry.hdf5 is None else f"{entry.path}, {entry.hdf5.dataset}, row {entry.hdf5.row}"


def _read(entry: ManifestEntry, cutting: Cutting, start_s: float, duration_s: float | None) -> Stretch:
    if entry.hdf5 is None:
        return read_stretch(
            entry.path,
            sample_rate_hz=cutting.sample_rate_hz,
            start_s=start_s,
            duration_s=duration_s,
            min_source_rate_hz=cutting.min_source_rate_hz,
            channel=entry.sound_channel,
        )
    from datamodules.shards.hdf5 import read_sound

    dataset, row, from_hz = entry.hdf5
    check_source_rate(from_hz, cutting.sample_rate_hz, _name(entry), at_least_hz=cutting.min_source_rate_hz)
    whole = resample(read_sound(entry.path, dataset, row), from_hz, cutting.sample_rate_hz)
    first = round(start_s * cutting.sample_rate_hz)
    samples = whole[first : None if duration_s is None else first + round(duration_s * cutting.sample_rate_hz)]
    if not len(samples):
        raise AudioError(f"{_name(entry)}: ends before {start_s} s", kind="empty")
    return Stretch(samples, from_hz)


def _check_audible(entry: ManifestEntry, cutting: Cutting, waveform: np.ndarray) -> None:
    if np.abs(demean(waveform)).max() < 0.5 / FULL_SCALE:
        raise AudioError(f"{_name(entry)}: silent: all samples are zero (or equal) in 16 bits", kind="silent")
    zeros = zero_fraction(waveform) if cutting.max_zero_fraction < 1 else 0.0
    if zeros > cutting.max_zero_fraction:
        raise AudioError(
            f"{_name(entry)}: {100 * zeros:.0f} % of its samples are zero, expected at most "
            f"{100 * cutting.max_zero_fraction:.0f} %",
            kind="many zeros",
        )


def _stretch(entry: ManifestEntry, clip_duration_s: float | None) -> tuple[float, float | None]:
    """Start and duration in seconds."""
    if entry.start_s is not None or entry.end_s is not None:
        start_s = entry.start_s or 0.0
        return start_s, None if entry.end_s is None else entry.end_s - start_s
    if entry.midpoint_s is not None and clip_duration_s is not None:
        start_s = max(0.0, entry.midpoint_s - clip_duration_s / 2)
        return start_s, entry.midpoint_s + clip_duration_s / 2 - start_s
    return 0.0, None


def _midpoint(entry: ManifestEntry, start_s: float, num_samples: int, sample_rate_hz: int) -> int:
    if entry.midpoint_s is None:
        return num_samples // 2
    midpoint = round(entry.midpoint_s * sample_rate_hz) - round(start_s * sample_rate_hz)
    if midpoint > num_samples:
        end_s = start_s + num_samples / sample_rate_hz
        raise AudioError(
            f"{_name(entry)}: too short: ends at {end_s:.3f} s, before midpoint {entry.midpoint_s} s", kind="too short"
        )
    return min(midpoint, num_samples - 1)
