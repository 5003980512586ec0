"""What the commands share that build speech as signal and other sounds, such as synthesised textures, as noise."""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from datamodules.building.build import build_shards
from datamodules.building.build_report import REQUEST_FILE, BuildError, read_report
from datamodules.commands.tables.report_tables import print_report
from datamodules.files import check_writable, remove_leftovers, scratch_folder, undoing, write_json
from datamodules.folders.sound_folders import PassedOver
from datamodules.text_files import TextFileError, read_json
from networks.commands.dispatch import text_console
from networks.commands.interruption import NOTHING_IS_KEPT, has_content

SIGNAL_FOLDER, NOISE_FOLDER, SOUNDS_FOLDER = "signal", "noise", "sounds"
CORPUS_FILE = "corpus.json"
_MARK = ".synthesised"  # of a folder of sounds that a command has made
_NO_INFLUENCE = {"out", "num_workers", "overwrite", "keep_sounds", "folder", "digits", "root", "val_takes"}


@dataclass(kw_only=True)
class SignalAndNoise(ABC):
    """How to build OUT/signal and OUT/noise.

    A subclass says which label columns they have, whether clips may lack labels (clips that cannot be used are then
    left out, too), and whether sounds that were made before the work was stopped are used again.

    Attributes:
        out: Folder for the shard sets OUT/signal and OUT/noise.
        clips_per_class: Training clips of each texture.
        texture_duration_s: Duration of a texture clip in seconds.
        rooms: Fraction of the synthesised sounds that are recorded in rooms that echo and colour them, 0 to 1.
        seed: Random seed.
        num_workers: Number of processes; null is one per core.
        overwrite: Replace an earlier build at OUT.
        keep_sounds: Keep the synthesised sounds and the manifests in OUT/sounds.
    """

    out: Path
    clips_per_class: int = 40
    texture_duration_s: float = 4.0
    rooms: float = 0.0
    seed: int = 0
    num_workers: int | None = None
    overwrite: bool = False
    keep_sounds: bool = False
    signal_columns: ClassVar[tuple[str, ...]] = ("word", "speaker")
    noise_columns: ClassVar[tuple[str, ...]] = ("texture",)
    may_be_unlabelled: ClassVar[bool] = False
    is_resumable: ClassVar[bool] = False
    other_files: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def origin(self) -> tuple[str, str]:
        """Name and version of how the signals are made, and what they are made from."""

    @abstractmethod
    def make_signals(self, sounds: Path) -> Path:
        """Make the manifest of the signals, in the folder for sounds and manifests."""

    def make_noises(self, sounds: Path) -> Path:
        """Make the manifest of the noises, in the folder for sounds and manifests: synthesised textures."""
        from datamodules.demo.texture_corpus import make_textures

        return make_textures(
            sounds,
            clips_per_class=self.clips_per_class,
            duration_s=self.texture_duration_s,
            rooms=self.rooms,
            seed=self.seed,
            num_workers=self.num_processes,
            show_progress=True,
        )

    def finished(self, *, is_new: bool) -> None:  # noqa: B027 (most commands have nothing to add)
        """Print what there is to say at the end; `is_new` says whether anything was built."""

    def passed_over(self) -> tuple[PassedOver, ...]:
        """What a folder of recordings holds in addition to what is used; nothing if all is synthesised."""
        return ()

    @property
    def when_interrupted(self) -> str:
        """What a Ctrl-C leaves."""
        if not has_content(self.out):
            return NOTHING_IS_KEPT
        return f"the shards built so far are kept in {self.out}; the same command makes the sounds again and resumes"

    @property
    def num_processes(self) -> int:
        """Number of processes."""
        return os.cpu_count() or 1 if self.num_workers is None else self.num_workers

    def run(self) -> None:
        """Build both sides, each with the splits train and val, and print what was built.

        The request is noted at the end, so that the same request later makes no sounds.

        Raises:
            CorpusError: A corpus or an option cannot be used.
            BuildError: OUT was made with other settings.
        """
        request = self._request()
        if self._is_up_to_date(request):
            for folder in (SIGNAL_FOLDER, NOISE_FOLDER):
                print_report(read_report(self.out / folder, is_new=False), text_console())
            self.finished(is_new=False)
            return
        names = [CORPUS_FILE, *self.other_files]
        if not self.is_resumable:
            names.append(SOUNDS_FOLDER)
        with undoing(*(self.out / name for name in names)), self._sounds_folder() as sounds:
            signals, noises = self.make_signals(sounds), self.make_noises(sounds)
            self._build(SIGNAL_FOLDER, signals, self.signal_columns, self.passed_over())
            self._build(NOISE_FOLDER, noises, self.noise_columns)
        write_json(self.out / CORPUS_FILE, request)
        self.finished(is_new=True)

    def _build(
        self, folder: str, manifest: Path, columns: tuple[str, ...], passed_over: Sequence[PassedOver] = ()
    ) -> None:
        report = build_shards(
            manifest,
            self.out / folder,
            one_label=columns,
            may_be_unlabelled=columns if self.may_be_unlabelled else (),
            skip_bad=self.may_be_unlabelled,
            num_workers=self.num_processes,
            seed=self.seed,
            overwrite=self.overwrite,
            passed_over=passed_over,
        )
        print_report(report, text_console())

    def _request(self) -> dict[str, Any]:
        recipe, source = self.origin()
        settings = {name: value for name, value in sorted(vars(self).items()) if name not in _NO_INFLUENCE}
        return {"recipe": recipe, "source": source, **settings}

    @contextmanager
    def _sounds_folder(self) -> Iterator[Path]:
        """A folder for sounds and manifests, which is removed at the end unless they are to be kept."""
        check_writable(self.out)
        self._check_sounds(is_from_here=self._check_note())
        self.out.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.out)
        (self.out / CORPUS_FILE).unlink(missing_ok=True)
        if self.keep_sounds or self.is_resumable:
            sounds = self.out / SOUNDS_FOLDER
            sounds.mkdir(exist_ok=True)
            (sounds / _MARK).touch()
            remove_leftovers(sounds, recursive=True)
            yield sounds
            if not self.keep_sounds:
                shutil.rmtree(sounds)
        else:
            with scratch_folder(self.out, SOUNDS_FOLDER) as sounds:
                yield sounds

    def _check_sounds(self, *, is_from_here: bool) -> None:
        """Refuse to write into a folder of sounds of the user."""
        sounds = self.out / SOUNDS_FOLDER
        is_used = self.keep_sounds or self.is_resumable
        if not is_used or self.overwrite or is_from_here or not sounds.is_dir():
            return
        if any(sounds.iterdir()) and not (sounds / _MARK).exists():
            raise BuildError(f"{sounds}: exists and is not from this command: move it, or choose another output")

    def _check_note(self) -> bool:
        """Refuse to replace a file of the user that has the name of the note of the request; whether there is one."""
        note = self.out / CORPUS_FILE
        if self.overwrite or not note.exists():
            return False
        try:
            is_ours = "recipe" in read_json(note)
        except (OSError, TextFileError, TypeError):
            is_ours = False
        if not is_ours:
            raise BuildError(f"{note}: exists and is not from this command: move it, or choose another output")
        return True

    def _is_up_to_date(self, request: dict[str, Any]) -> bool:
        """Whether the same was built before; an error if something else was."""
        folders = [self.out / folder for folder in (SIGNAL_FOLDER, NOISE_FOLDER)]
        if self.overwrite or not all((folder / REQUEST_FILE).is_file() for folder in folders):
            return False
        if self.keep_sounds and not (self.out / SOUNDS_FOLDER).is_dir():
            return False
        try:
            made = read_json(self.out / CORPUS_FILE)
        except (OSError, TextFileError):
            return False
        if made != request:
            raise BuildError(f"{self.out}: was made with other settings; --overwrite true replaces it")
        return True
