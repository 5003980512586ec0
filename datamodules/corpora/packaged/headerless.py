"""Sounds without a header, as telephone exchanges keep them: written as WAV files.

GSM 06.10 and mu-law are decoded by libsndfile, G.722 by the program ffmpeg, many files in one call.
"""

import contextlib
import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import soundfile

from datamodules.corpora.sounds import Row, run_jobs, write_sound
from datamodules.files import scratch_folder

PROGRAM = "ffmpeg"
FILES_PER_CALL = 40

_NARROW_HZ = 8_000
"""Sample rate of GSM 06.10 and of telephones' mu-law."""

_SUBTYPES = {".gsm": "GSM610", ".au": "ULAW"}
_WIDE = ".g722"
_HEADER = b".snd"


class _Job(NamedTuple):
    paths: tuple[Path, ...]
    outs: tuple[Path, ...]


def decode_all(
    paths: Sequence[Path], folder: Path, *, num_workers: int, show_progress: bool = False
) -> dict[Path, Path]:
    """Write those of some files that have no header as WAV files, unless that was done before.

    Args:
        paths: The files.
        folder: Folder for the WAV files, which are named after the path; it exists.
        num_workers: Number of processes.
        show_progress: Whether to show progress on stderr.

    Returns:
        For each file without a header its WAV file, which is missing if the file cannot be decoded.
    """
    outs = {path: folder / _name(path) for path in paths if _is_headerless(path)}
    wide = [path for path, out in outs.items() if path.suffix == _WIDE and not out.exists()]
    narrow = [path for path, out in outs.items() if path.suffix != _WIDE and not out.exists()]
    jobs = [
        _Job(tuple(group), tuple(outs[path] for path in group))
        for some in (wide, narrow)
        for start in range(0, len(some), FILES_PER_CALL)
        for group in (some[start : start + FILES_PER_CALL],)
    ]
    if jobs:
        run_jobs(
            _decode,
            jobs,
            num_workers=num_workers,
            verb="decoding",
            description="telephone prompts",
            unit=f"groups of {FILES_PER_CALL} files",
            show_progress=show_progress,
        )
    return outs


def _decode(job: _Job) -> Row:
    if job.paths[0].suffix != _WIDE:
        for path, out in zip(job.paths, job.outs, strict=True):
            subtype = _SUBTYPES[path.suffix]
            with contextlib.suppress(soundfile.LibsndfileError):  # the file is not in the folder, and counted later
                waveform, rate_hz = soundfile.read(
                    path, dtype="float32", format="RAW", subtype=subtype, channels=1, samplerate=_NARROW_HZ
                )
                write_sound(out, waveform, rate_hz)
        return {}
    with scratch_folder(job.outs[0].parent, "decoded") as scratch:
        inputs = [part for path in job.paths for part in ("-f", "g722", "-i", str(path))]
        wavs = [scratch / f"{number}.wav" for number in range(len(job.paths))]
        outputs = [part for number, wav in enumerate(wavs) for part in ("-map", f"{number}:a", str(wav))]
        subprocess.run([PROGRAM, "-v", "error", "-nostdin", *inputs, *outputs], capture_output=True, check=False)
        for wav, out in zip(wavs, job.outs, strict=True):
            if wav.is_file():
                waveform, rate_hz = soundfile.read(wav, dtype="float32")
                write_sound(out, waveform, rate_hz)
    return {}


def _is_headerless(path: Path) -> bool:
    if path.suffix != ".au":
        return path.suffix == _WIDE or path.suffix in _SUBTYPES
    with path.open("rb") as file:
        return file.read(len(_HEADER)) != _HEADER


def _name(path: Path) -> str:
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:12]
    return f"{path.parent.name}_{path.stem}_{digest}.wav"
