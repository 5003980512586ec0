"""From a manifest's row to a clip that can be written, or the reason why it cannot."""

import numpy as np

from datamodules.audio import AudioError, demean, read_audio
from datamodules.manifests import ManifestEntry
from datamodules.shard_writer import FULL_SCALE, NewClip

END_TOLERANCE_S = 0.01
"""A row's end may lie this much after the end of its file: alignments and rounded times often do."""


def cut_clip(
    entry: ManifestEntry,
    *,
    sample_rate_hz: int,
    clip_duration_s: float | None = None,
    min_duration_s: float = 0.0,
) -> NewClip:
    """Read the stretch of sound that a row names.

    That is `start_s` to `end_s` where the row has either; else, where it has a midpoint and a duration is
    asked for, that duration around the midpoint, as far as the file reaches; else the whole file.

    Args:
        entry: the row.
        sample_rate_hz: sample rate of the clip in Hz.
        clip_duration_s: duration around the midpoint in seconds; None is the whole file.
        min_duration_s: shorter clips are an error.

    Returns:
        The clip.

    Raises:
        AudioError: when the sound is missing, broken, empty, too short, not finite or silent.
    """
    start_s, duration_s = _stretch(entry, clip_duration_s)
    waveform = read_audio(entry.path, sample_rate_hz=sample_rate_hz, start_s=start_s, duration_s=duration_s)  # (T,)
    found_s = len(waveform) / sample_rate_hz
    if entry.end_s is not None and start_s + found_s < entry.end_s - END_TOLERANCE_S:
        raise AudioError(
            f"{entry.path}: too short: ends at {start_s + found_s:.3f} s, before {entry.end_s} s", kind="too short"
        )
    if found_s < min_duration_s:
        raise AudioError(
            f"{entry.path}: too short: {found_s:.3f} s, at least {min_duration_s} s are wanted", kind="too short"
        )
    if np.abs(demean(waveform)).max() < 0.5 / FULL_SCALE:
        raise AudioError(f"{entry.path}: silent: all samples are zero (or equal) in 16 bits", kind="silent")
    return NewClip(
        key=entry.key,
        waveform=waveform,
        midpoint=_midpoint(entry, start_s, len(waveform), sample_rate_hz),
        labels=entry.labels,
        source=entry.source,
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
            f"{entry.path}: too short: ends at {end_s:.3f} s, before midpoint {entry.midpoint_s} s", kind="too short"
        )
    return min(midpoint, num_samples - 1)
