"""Words spoken by synthesisers, in renditions of different speed.

Each voice also speaks with shorter and longer vocal tracts: faster playback raises all frequencies, and speaking more
slowly before keeps the speed.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from datamodules.audio import set_rms
from datamodules.corpora.packaged.recording import Recording
from datamodules.corpora.packaged.synthesised import festival, flite
from datamodules.corpora.sounds import Row, run_jobs, write_sound
from datamodules.demo.rooms import in_a_room
from datamodules.files import scratch_folder

Speak = Callable[..., None]

SYNTHESISERS: dict[str, tuple[Callable[[], list[str]], Speak]] = {
    flite.PROGRAM: (flite.voices, flite.speak),
    festival.PROGRAM: (festival.voices, festival.speak),
}
"""Names of the voices, and the function that speaks, by program."""

TRACTS = (1.0, 0.87, 1.16)
"""Factors of all frequencies of a voice, chosen by hand: as recorded, longer and shorter vocal tracts."""

STRETCHES = (0.8, 1.25)
"""Range of the factor of a rendition's duration."""

WORDS_PER_JOB = 25
_RATE_STEP_HZ = 50
_ROOM_KEY = 81


class _Job(NamedTuple):
    folder: Path
    program: str
    voice: str
    tract: float
    words: tuple[str, ...]
    split: str
    number: int
    seed: tuple[int, ...]
    rooms: float


def spoken_words(
    folder: Path,
    words: Sequence[str],
    *,
    program: str,
    num_renditions: int,
    rooms: float,
    seed: int,
    num_workers: int,
    show_progress: bool = False,
) -> list[Recording]:
    """Let all voices of a program say the words.

    Args:
        folder: Folder for the WAV files; it exists.
        words: English words.
        program: One of `SYNTHESISERS`.
        num_renditions: Training clips of each word in each voice; one more is for validation.
        rooms: Fraction of the renditions, chosen at random, that are recorded in rooms.
        seed: Random seed.
        num_workers: Number of processes.
        show_progress: Whether to show progress on stderr.

    Returns:
        The clips, with word, speaker, language and split.
    """
    voices, _ = SYNTHESISERS[program]
    chunks = [tuple(words[start : start + WORDS_PER_JOB]) for start in range(0, len(words), WORDS_PER_JOB)]
    jobs = [
        _Job(folder, program, voice, tract, chunk, split, number, (seed, *key, number), rooms)
        for voice_number, voice in enumerate(voices())
        for tract_number, tract in enumerate(TRACTS)
        for chunk_number, chunk in enumerate(chunks)
        for number in range(num_renditions + 1)
        for split in ("val" if number == num_renditions else "train",)
        for key in ((voice_number, tract_number, chunk_number),)
    ]
    done = run_jobs(
        _speak, jobs, num_workers=num_workers, description=f"words with {program}", show_progress=show_progress
    )
    return [recording for row in done for recording in _recordings(row)]


def _speak(job: _Job) -> Row:
    rng = np.random.default_rng(job.seed)
    # Durations are stretched before the frequencies are scaled.
    stretch = float(rng.uniform(*STRETCHES)) * job.tract
    _, speak = SYNTHESISERS[job.program]
    paths = [job.folder / f"{_name(job)}_{word}.wav" for word in job.words]
    with scratch_folder(job.folder, "spoken") as scratch:
        spoken = [scratch / path.name for path in paths]
        speak(job.words, spoken, voice=job.voice, stretch=stretch)
        for number, (source, path) in enumerate(zip(spoken, paths, strict=True)):
            waveform, rate_hz = soundfile.read(source, dtype="float32")
            room = np.random.default_rng([*job.seed, number, _ROOM_KEY])
            if room.uniform() < job.rooms:
                waveform = in_a_room(room, waveform, rate_hz)
            write_sound(path, set_rms(waveform), _RATE_STEP_HZ * round(rate_hz * job.tract / _RATE_STEP_HZ))
    return {"paths": paths, "job": job}


def _recordings(row: Row) -> list[Recording]:
    job, paths = row["job"], row["paths"]
    assert isinstance(job, _Job)
    assert isinstance(paths, list)
    return [
        Recording(path=path, word=word, speaker=_speaker(job), language="en", split=job.split)
        for word, path in zip(job.words, paths, strict=True)
    ]


def _speaker(job: _Job) -> str:
    tract = "" if job.tract == 1 else f"@{job.tract}"
    return f"{job.program} {job.voice}{tract}"


def _name(job: _Job) -> str:
    return f"{job.program}_{job.voice}_{round(100 * job.tract)}_{job.split}{job.number}"
