"""Music that the sampled instruments of a soundfont play, rendered by the program fluidsynth."""

import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datamodules.corpora.packaged.recording import MUSIC, Recording
from datamodules.corpora.packaged.synthesised.instruments import DRUMS, INSTRUMENTS
from datamodules.corpora.packaged.synthesised.midi import Note, midi_file
from datamodules.corpora.packaged.synthesised.scores import STYLES, Score, drum_phrase, phrase, piece
from datamodules.corpora.sounds import Row, run_jobs
from datamodules.files import replacing, scratch_folder

PROGRAM = "fluidsynth"

SAMPLE_RATE_HZ = 22_050
PHRASE_S = 2.5
"""Duration of a phrase, which is a clip."""

PIECE_S = 7.5
"""Duration of a piece, of which several clips are cut."""

PAUSE_S = 1.5
"""Silence between phrases, for the notes before it to decay."""

GAIN = 0.3
"""Fluidsynth's master gain, which leaves room for several loud instruments."""

_SPLIT_KEYS = {"train": 1, "val": 2}


class _Job(NamedTuple):
    folder: Path
    soundfont: Path
    kind: str
    name: str
    split: str
    num_clips: int
    seed: tuple[int, ...]


def is_installed() -> bool:
    """Whether fluidsynth is there."""
    return shutil.which(PROGRAM) is not None


def sampled_music(
    folder: Path, *, soundfont: Path, clips_per_class: int, seed: int, num_workers: int, show_progress: bool = False
) -> list[Recording]:
    """Play phrases of single instruments, of drums, and pieces in several styles.

    Training and validation clips have different scores.

    Args:
        folder: Folder for the WAV files; it exists.
        soundfont: The soundfont (.sf2, .sf3).
        clips_per_class: Training clips of each class; a quarter as many are for validation.
        seed: Random seed.
        num_workers: Number of processes.
        show_progress: Whether to show progress on stderr.

    Returns:
        The clips, with their class, kind and split.
    """
    counts = {"train": clips_per_class, "val": max(1, clips_per_class // 4)}
    classes = [
        *(("instrument", name) for name in INSTRUMENTS),
        *(("drum", name) for name in DRUMS),
        *((MUSIC, name) for name in STYLES),
    ]
    jobs = [
        _Job(folder, soundfont, kind, name, split, count, (seed, _SPLIT_KEYS[split], number))
        for number, (kind, name) in enumerate(classes)
        for split, count in counts.items()
    ]
    what = f"music with {soundfont.stem}"
    rows = run_jobs(_render, jobs, num_workers=num_workers, description=what, show_progress=show_progress)
    return [recording for row in rows for recording in _recordings(row)]


def _render(job: _Job) -> Row:
    rng = np.random.default_rng(job.seed)
    duration_s, num_scores = PHRASE_S, job.num_clips
    draw: Callable[[], Score] = lambda: phrase(rng, INSTRUMENTS[job.name], name=job.name, duration_s=PHRASE_S)  # noqa: E731
    if job.kind == "drum":
        draw = lambda: drum_phrase(rng, DRUMS[job.name], duration_s=PHRASE_S)  # noqa: E731
    elif job.kind == MUSIC:
        duration_s, num_scores = PIECE_S, max(1, round(job.num_clips * PHRASE_S / PIECE_S))
        draw = lambda: piece(rng, STYLES[job.name], duration_s=PIECE_S)  # noqa: E731
    starts_s = [number * (duration_s + PAUSE_S) for number in range(num_scores)]
    path = job.folder / f"{job.soundfont.stem}_{job.kind}_{job.name.replace(' ', '-')}_{job.split}.wav"
    _play(job.soundfont, _joined(starts_s, (draw() for _ in starts_s)), path)
    clips_s = [
        (start_s + begin_s, start_s + begin_s + PHRASE_S)
        for start_s in starts_s
        for begin_s in np.arange(0.0, duration_s - PHRASE_S + 0.01, PHRASE_S)
    ]
    return {"path": path, "job": job, "clips_s": clips_s}


def _joined(starts_s: Iterable[float], scores: Iterable[Score]) -> bytes:
    """One MIDI file in which scores follow each other."""
    notes: list[Note] = []
    programs: list[tuple[float, int, int]] = []
    for start_s, score in zip(starts_s, scores, strict=True):
        programs += [(start_s, channel, program) for channel, program in score.programs.items()]
        notes += [note._replace(start_s=start_s + note.start_s) for note in score.notes]
    return midi_file(notes, programs)


def _play(soundfont: Path, midi: bytes, path: Path) -> None:
    with scratch_folder(path.parent, "played") as scratch, replacing(path) as temporary:
        score = scratch / "score.mid"
        score.write_bytes(midi)
        settings = ["-g", str(GAIN), "-r", str(SAMPLE_RATE_HZ), "-T", "wav", "-o", "synth.dynamic-sample-loading=1"]
        command = [PROGRAM, "-n", "-i", "-q", *settings, "-F", str(temporary), str(soundfont), str(score)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not temporary.is_file():
            raise OSError(f"{PROGRAM} does not play {path.name} with {soundfont}: {done.stderr.strip()}")


def _recordings(row: Row) -> list[Recording]:
    job, path, clips_s = row["job"], row["path"], row["clips_s"]
    assert isinstance(job, _Job)
    assert isinstance(path, Path)
    assert isinstance(clips_s, list)
    return [
        Recording(path=path, sound=job.name, kind=job.kind, start_s=start_s, end_s=end_s, split=job.split)
        for start_s, end_s in clips_s
    ]
