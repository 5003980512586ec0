"""Voices of the program flite, which are built into it."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

PROGRAM = "flite"
_VOICES_LINE = "Voices available:"

# Voices that are others at half the sample rate, or say the time only.
_LEFT_OUT = ("kal", "awb_time")


def voices() -> list[str]:
    """Names of its voices; none if it is not installed."""
    if shutil.which(PROGRAM) is None:
        return []
    listed = subprocess.run([PROGRAM, "-lv"], capture_output=True, text=True, check=False).stdout
    names = listed.partition(_VOICES_LINE)[2].split()
    return sorted(set(names) - set(_LEFT_OUT))


def speak(words: Sequence[str], paths: Sequence[Path], *, voice: str, stretch: float) -> None:
    """Speak words, each into a WAV file.

    Args:
        words: The words.
        paths: Where to write them.
        voice: One of `voices()`.
        stretch: Factor of all durations.

    Raises:
        OSError: The program failed.
    """
    for word, path in zip(words, paths, strict=True):
        setting = f"duration_stretch={stretch:.3f}"
        command = [PROGRAM, "-voice", voice, "--setf", setting, "-t", word, "-o", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not path.is_file():
            raise OSError(f"{PROGRAM} does not say {word!r} with the voice {voice}: {done.stderr.strip()}")
