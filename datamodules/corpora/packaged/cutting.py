"""Listening to the recordings: which are the same, and which stretches are clips.

Silence at the ends is cut off, so that a word is in the middle of its clip. What is longer than a clip is cut into
several; stretches that are nearly silent are left out.

Shapes: T samples of a sound, F frames.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import soundfile

from datamodules.audio import AudioError
from datamodules.corpora.packaged.headerless import decode_all
from datamodules.corpora.packaged.recording import Recording
from datamodules.corpora.sounds import Row, run_jobs
from datamodules.decoding.sound import to_mono

CLIP_S = 2.5
"""Duration of a clip of what is longer: a window of 2 s, and room to shift it."""

FRAME_S = 0.05
"""Frames whose level is measured."""

SILENCE_DB = -45.0
"""Frames this far below the loudest one are silent."""

QUIET_DB = -30.0
"""Clips whose level is this far below that of the loudest one of their file are left out."""

MARGIN_S = 0.1
"""Silence that is kept at the ends."""

MAX_SECONDS = 600.0
"""How much of a file is listened to."""

_LEAST_S = 0.06

SAME = "the same sound as another"


class CutFile(NamedTuple):
    """What is in a file: the digest of its samples, a file that can be read, stretches in seconds, or what is wrong."""

    digest: str
    path: str
    stretches_s: tuple[tuple[float, float], ...]
    problem: str


class _Job(NamedTuple):
    path: Path
    readable: Path
    max_clips: int


def cut_files(
    paths: Sequence[Path],
    decoded: Path,
    *,
    max_clips: int,
    num_workers: int,
    description: str,
    show_progress: bool = False,
) -> list[CutFile]:
    """Listen to files.

    Args:
        paths: The files.
        decoded: Folder for the sounds of files without a header, as WAV files; it exists.
        max_clips: Most clips of a file.
        num_workers: Number of processes.
        description: What they are, for the display of progress.
        show_progress: Whether to show progress on stderr.

    Returns:
        What is in each.
    """
    readable = decode_all(paths, decoded, num_workers=num_workers, show_progress=show_progress)
    found = run_jobs(
        _cut,
        [_Job(path, readable.get(path, path), max_clips) for path in paths],
        num_workers=num_workers,
        verb="listening to",
        description=description,
        unit="files",
        show_progress=show_progress,
    )
    return [cast(CutFile, row["cut"]) for row in found]


def clips_of(
    recordings: Sequence[Recording], files: Sequence[CutFile]
) -> tuple[list[tuple[Recording, str]], dict[str, str]]:
    """Give each clip the labels of its recording.

    A part of a longer recording has no word.

    Args:
        recordings: The recordings.
        files: What is in the file of each.

    Returns:
        Each clip with the digest of its file; and, by path, what is wrong with files that are left out. Of files with
        the same samples, the first is kept.
    """
    clips: list[tuple[Recording, str]] = []
    problems: dict[str, str] = {}
    seen: set[str] = set()
    for recording, file in zip(recordings, files, strict=True):
        problem = file.problem or (SAME if file.digest in seen else "")
        if problem:
            problems[str(recording.path)] = problem
            continue
        seen.add(file.digest)
        word = recording.word if len(file.stretches_s) == 1 else ""
        for start_s, end_s in file.stretches_s:
            clip = replace(recording, path=Path(file.path), word=word, start_s=start_s, end_s=end_s)
            clips.append((clip, file.digest))
    return clips, problems


def stretches(waveform: np.ndarray, sample_rate_hz: int, *, max_clips: int) -> tuple[tuple[float, float], ...]:
    """Find the clips in a sound.

    Args:
        waveform: (T,) sound.
        sample_rate_hz: Its sample rate in Hz.
        max_clips: Most clips, which are spread evenly over the sound.

    Returns:
        Start and end of each clip in seconds: one without the silence at its ends, or, of a longer sound, several of
        2.5 s each; none of silence.
    """
    levels_db = _levels_db(waveform, round(FRAME_S * sample_rate_hz))
    loud = np.flatnonzero(levels_db > levels_db.max(initial=-np.inf) + SILENCE_DB)
    if not len(loud) or not np.isfinite(levels_db.max()):
        return ()
    duration_s = len(waveform) / sample_rate_hz
    start_s = max(0.0, float(loud[0]) * FRAME_S - MARGIN_S)
    end_s = min(duration_s, float(loud[-1] + 1) * FRAME_S + MARGIN_S)
    num_clips = int((end_s - start_s) / CLIP_S)
    if num_clips <= 1:
        return ((round(start_s, 3), round(end_s, 3)),)
    starts_s = np.linspace(start_s, end_s - CLIP_S, min(num_clips, max_clips))
    frames_per_clip = round(CLIP_S / FRAME_S)
    clip_db = np.array(
        [_mean_db(levels_db[int(begin_s / FRAME_S) : int(begin_s / FRAME_S) + frames_per_clip]) for begin_s in starts_s]
    )
    kept = starts_s[clip_db > clip_db.max() + QUIET_DB]
    return tuple((round(float(begin_s), 3), round(float(begin_s) + CLIP_S, 3)) for begin_s in kept)


def _cut(job: _Job) -> Row:
    try:
        waveform, rate_hz = _read(job.readable)
        # Not of its bytes: Ogg files of the same sound have numbers of their own.
        digest = hashlib.sha256(f"{rate_hz}\n".encode() + waveform.tobytes()).hexdigest()
        if len(waveform) < _LEAST_S * rate_hz:
            return {"cut": CutFile(digest, str(job.readable), (), "too short")}
        found = stretches(waveform, rate_hz, max_clips=job.max_clips)
    except (OSError, AudioError, soundfile.LibsndfileError) as error:
        return {"cut": CutFile("", str(job.path), (), f"cannot be read: {error}")}
    return {"cut": CutFile(digest, str(job.readable), found, "" if found else "silent")}


def _read(path: Path) -> tuple[np.ndarray, int]:
    with soundfile.SoundFile(path) as sound:
        frames = sound.read(round(MAX_SECONDS * sound.samplerate), dtype="float32", always_2d=True)
        return to_mono(frames, str(path)), sound.samplerate


def _levels_db(waveform: np.ndarray, frame: int) -> np.ndarray:
    """(F,) levels of whole frames in dB; of a shorter sound, that of all of it."""
    num_frames = len(waveform) // frame
    frames = waveform[: num_frames * frame].reshape(num_frames, frame) if num_frames else waveform[None]
    power = np.mean(np.square(frames - waveform.mean(), dtype=np.float64), axis=1)
    with np.errstate(divide="ignore"):
        levels: np.ndarray = 10 * np.log10(power)
    return levels


def _mean_db(levels_db: np.ndarray) -> float:
    return float(10 * np.log10(max(float(np.mean(10 ** (levels_db / 10))), 1e-20))) if len(levels_db) else -np.inf
