"""A corpus of labelled sound textures: the noise side of the demo and of small experiments."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datamodules.audio import PUBLISHED_SAMPLE_RATE_HZ
from datamodules.corpora.sounds import CorpusError, Row, check_part, run_jobs, write_manifest, write_sound
from datamodules.demo.rooms import in_a_room
from datamodules.demo.textures import TEXTURE_LABELS, TRAIN_KEY, VAL_KEY, synthesise_texture

TEXTURE_COLUMN = "texture"
"""Label column of the manifest, and name of the task of recognising textures."""

_MANIFEST_NAME = "textures.csv"

VAL_FRACTION = 0.25
"""Validation clips, as a fraction of the training clips of a class."""

_SPLIT_KEYS = {"train": TRAIN_KEY, "val": VAL_KEY}
_ROOM_KEY = 77


class _Clip(NamedTuple):
    folder: Path
    label: str
    split: str
    number: int
    seed: int
    sample_rate_hz: int
    duration_s: float
    rooms: float


def make_textures(
    folder: str | Path,
    *,
    clips_per_class: int = 40,
    val_clips_per_class: int | None = None,
    labels: Sequence[str] = TEXTURE_LABELS,
    seed: int = 0,
    sample_rate_hz: int = PUBLISHED_SAMPLE_RATE_HZ,
    duration_s: float = 4.0,
    rooms: float = 0.0,
    num_workers: int = 1,
    show_progress: bool = False,
) -> Path:
    """Synthesise texture clips as WAV files, with a manifest.

    Training clips, validation clips and the stimuli of the simulated cortex all come from different seeds.

    Args:
        folder: Folder for `textures/*.wav` and `textures.csv`; created if it does not exist.
        clips_per_class: Training clips of each class, at least 1.
        val_clips_per_class: Validation clips of each class, at least 1; None is a quarter of the training clips.
        labels: Classes to make.
        seed: Random seed.
        sample_rate_hz: Sample rate in Hz, at least 8000.
        duration_s: Length of a clip in seconds.
        rooms: Fraction of the clips, chosen at random, that are recorded in rooms, see `datamodules.demo.rooms`.
        num_workers: Number of processes.
        show_progress: Whether to show a progress bar.

    Returns:
        The manifest's path; its columns are path, split and texture.

    Raises:
        CorpusError: A number of clips below 1, or a fraction outside 0-1.
        ValueError: An unknown texture.
    """
    num_val = max(1, round(clips_per_class * VAL_FRACTION)) if val_clips_per_class is None else val_clips_per_class
    if clips_per_class < 1 or num_val < 1:
        raise CorpusError(f"each texture needs at least 1 clip of each split, got {clips_per_class} and {num_val}")
    check_part("rooms", rooms)
    root = Path(folder)
    (root / "textures").mkdir(parents=True, exist_ok=True)
    clips = [
        _Clip(root, label, split, number, seed, sample_rate_hz, duration_s, rooms)
        for split, count in (("train", clips_per_class), ("val", num_val))
        for label in labels
        for number in range(count)
    ]
    rows = run_jobs(_write_clip, clips, num_workers=num_workers, description="textures", show_progress=show_progress)
    return write_manifest(root / _MANIFEST_NAME, rows)


def _write_clip(clip: _Clip) -> Row:
    waveform = synthesise_texture(
        clip.label,
        seed=(_SPLIT_KEYS[clip.split], clip.seed, clip.number),
        sample_rate_hz=clip.sample_rate_hz,
        duration_s=clip.duration_s,
    )
    # All classes have the same rooms, so that a room does not reveal the class.
    rng = np.random.default_rng([_SPLIT_KEYS[clip.split], clip.seed, clip.number, _ROOM_KEY])
    if rng.uniform() < clip.rooms:
        waveform = in_a_room(rng, waveform, clip.sample_rate_hz)
    path = f"textures/{clip.label}_{clip.split}_{clip.number:04d}.wav"
    write_sound(clip.folder / path, waveform, clip.sample_rate_hz)
    return {"path": path, "split": clip.split, TEXTURE_COLUMN: clip.label}
