"""The manifests of both sides of the corpus, from all packages that are installed."""

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datamodules.corpora import fsdd
from datamodules.corpora.packaged import splits
from datamodules.corpora.packaged.cutting import clips_of, cut_files
from datamodules.corpora.packaged.kept_stages import kept_files, kept_recordings
from datamodules.corpora.packaged.parts import Found, NotFound, find_makers, find_parts, soundfonts
from datamodules.corpora.packaged.recording import LABELS, Recording
from datamodules.corpora.packaged.synthesised import sampled_music
from datamodules.corpora.packaged.synthesised.spoken_words import SYNTHESISERS, spoken_words
from datamodules.corpora.sounds import Row, write_manifest
from datamodules.demo.words import WORDS
from datamodules.tables import read_text_table
from datamodules.tasks import Side

RECIPE = "packaged 2"
"""Increment this if the same packages and arguments give other sounds."""

ESPEAK = "espeakng-loader"
TEXTURES = "synthesised textures"
FSDD = "Free Spoken Digit Dataset"

MAX_CLIPS = {"signal": 20, "noise": 10}
"""Most clips of a file, by side: a piece of music is not to outweigh all other sounds."""

_LEAST_VOICES = 2
_LEAST_LETTERS = 2


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to make.

    Args:
        root: Root of the file system that the packages are in.
        num_words: Words that synthesisers speak.
        num_renditions: Training clips of each word in each voice.
        clips_per_class: Training clips of each instrument and style of music, and of each texture.
        least_clips: Labels with fewer training clips are removed.
        rooms: Fraction of the synthesised words that are recorded in rooms.
        seed: Random seed.
        num_workers: Number of processes.
    """

    root: Path
    num_words: int
    num_renditions: int
    clips_per_class: int
    least_clips: int
    rooms: float
    seed: int
    num_workers: int


def find(root: Path) -> tuple[tuple[Found, ...], tuple[NotFound, ...]]:
    """Find the recorded parts below a root, and what is missing."""
    return find_parts(root, has_ffmpeg=shutil.which("ffmpeg") is not None)


def words_to_speak(found: Sequence[Found], num_words: int) -> list[str]:
    """English words for synthesisers: those that most voices have recorded, then those of the demo.

    Args:
        found: Recorded parts.
        num_words: How many.
    """
    voices: dict[str, set[str]] = {}
    for part, recordings in found:
        for each in recordings:
            if each.word and each.language == "en" and not part.says_phrases and len(each.word) > _LEAST_LETTERS:
                voices.setdefault(each.word, set()).add(f"{part.package} {each.speaker}")
    recorded = sorted(
        (word for word in voices if len(voices[word]) >= _LEAST_VOICES), key=lambda w: (-len(voices[w]), w)
    )
    return list(dict.fromkeys([*fsdd.DIGITS, *recorded, *WORDS]))[:num_words]


def recorded_clips(
    side: Side, sounds: Path, wanted: Wanted, *, show_progress: bool = False
) -> tuple[list[Recording], dict[str, int]]:
    """Clips of all recorded parts of a side, with their splits.

    Args:
        side: The side.
        sounds: Folder for decoded sounds and notes.
        wanted: What to make.
        show_progress: Whether to show progress on stderr.

    Returns:
        The clips, and how many files are left out for which reason.
    """
    decoded = sounds / "decoded"
    decoded.mkdir(parents=True, exist_ok=True)
    recordings = [
        replace(each, package=found.part.package)
        for found in find(wanted.root)[0]
        if found.part.side == side
        for each in found.recordings
    ]
    paths = [each.path for each in recordings]
    files = kept_files(
        sounds,
        f"recorded_{side}",
        [(str(path), path.stat().st_size) for path in paths],
        lambda: cut_files(
            paths,
            decoded,
            max_clips=MAX_CLIPS[side],
            num_workers=wanted.num_workers,
            description="recorded speech" if side == "signal" else "recorded sounds",
            show_progress=show_progress,
        ),
    )
    clips, problems = clips_of(recordings, files)
    reasons = Counter(problem.partition(":")[0] for problem in problems.values())
    ordered = sorted(reasons.items(), key=lambda found: (-found[1], found[0]))
    return splits.draw_splits(clips, seed=wanted.seed), dict(ordered)


def spoken_clips(sounds: Path, wanted: Wanted, *, show_progress: bool = False) -> list[Recording]:
    """Words that the installed programs speak."""
    makers, _ = find_makers(wanted.root)
    words = words_to_speak(find(wanted.root)[0], wanted.num_words)
    clips: list[Recording] = []
    for program in SYNTHESISERS:
        if program in makers:
            folder = sounds / program
            folder.mkdir(parents=True, exist_ok=True)
            key = (words, makers[program], wanted.num_renditions, wanted.rooms, wanted.seed)

            def speak(program: str = program, folder: Path = folder) -> list[Recording]:
                return spoken_words(
                    folder,
                    words,
                    program=program,
                    num_renditions=wanted.num_renditions,
                    rooms=wanted.rooms,
                    seed=wanted.seed,
                    num_workers=wanted.num_workers,
                    show_progress=show_progress,
                )

            clips += [replace(each, package=program) for each in kept_recordings(sounds, program, key, speak)]
    return clips


def played_clips(sounds: Path, wanted: Wanted, *, show_progress: bool = False) -> list[Recording]:
    """Music that the installed soundfonts play."""
    clips: list[Recording] = []
    for soundfont in soundfonts(wanted.root):
        folder = sounds / soundfont.stem
        folder.mkdir(parents=True, exist_ok=True)
        key = (str(soundfont), wanted.clips_per_class, wanted.seed)

        def play(soundfont: Path = soundfont, folder: Path = folder) -> list[Recording]:
            return sampled_music.sampled_music(
                folder,
                soundfont=soundfont,
                clips_per_class=wanted.clips_per_class,
                seed=wanted.seed,
                num_workers=wanted.num_workers,
                show_progress=show_progress,
            )

        made = kept_recordings(sounds, f"played_{soundfont.stem}", key, play)
        clips += [replace(each, package=soundfont.name) for each in made]
    return clips


def listed_clips(manifest: Path, *, package: str, **columns: str) -> list[Recording]:
    """Clips that are listed in a manifest.

    Args:
        manifest: The manifest.
        package: Where they are from.
        columns: For labels of `Recording` the column that holds it, or, after an equals sign, the label itself.
    """
    clips: list[Recording] = []
    for row in read_text_table(manifest).to_dict("records"):
        labels: dict[str, Any] = {
            name: column[1:] if column.startswith("=") else row[column] for name, column in columns.items()
        }
        times: dict[str, Any] = {name: _seconds(row.get(name)) for name in ("start_s", "end_s", "midpoint_s")}
        path = manifest.parent / str(row["path"])
        clips.append(Recording(path=path, split=str(row["split"]), package=package, **times, **labels))
    return clips


def digit_clips(folder: Path) -> list[Recording]:
    """The recordings of the Free Spoken Digit Dataset."""
    return [
        Recording(
            path=Path(str(row["path"])),
            word=str(row["word"]),
            speaker=f"fsdd {row['speaker']}",
            language="en",
            split=str(row["split"]),
            package=FSDD,
        )
        for row in fsdd.digits(folder)
    ]


def write_side(path: Path, clips: Sequence[Recording], *, side: Side, least_clips: int) -> list[Recording]:
    """Write the manifest of a side, without labels that are too rare.

    Args:
        path: The manifest.
        clips: The clips with their splits.
        side: The side.
        least_clips: Least number of training clips of a label.

    Returns:
        The clips that are in it.
    """
    used = splits.without_rare_labels(clips, LABELS[side], least=least_clips)
    write_manifest(path, [_row(clip, path.parent, LABELS[side]) for clip in used])
    return used


def _row(clip: Recording, folder: Path, columns: Sequence[str]) -> Row:
    path = clip.path.relative_to(folder) if clip.path.is_relative_to(folder) else clip.path
    times = {"start_s": clip.start_s, "end_s": clip.end_s, "midpoint_s": clip.midpoint_s}
    labels = {column: getattr(clip, column) for column in columns}
    return {"path": str(path), **times, "split": clip.split, **labels, "package": clip.package}


def _seconds(cell: object) -> float | None:
    try:
        return float(str(cell))
    except ValueError:
        return None
