"""What the corpus commands share: arguments, a folder for sounds that come and go, and the call for shards."""

import argparse
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from datamodules.building.build import build_shards
from datamodules.building.build_report import REQUEST_FILE, BuildError, read_report
from datamodules.commands.build_arguments import show
from datamodules.demo.texture_corpus import TEXTURE_COLUMN
from datamodules.files import check_writable, remove_leftovers, scratch_folder, write_json

SIGNAL_FOLDER, NOISE_FOLDER = "signal", "noise"
CORPUS_FILE = "corpus.json"
_NO_INFLUENCE = {"out", "num_workers", "overwrite", "keep_sounds", "command", "folder", "digits"}


def add_build_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that all corpus commands have."""
    parser.add_argument("out", type=Path, help="folder for the shards: OUT/signal and OUT/noise")
    parser.add_argument("--clips-per-class", type=int, default=40, help="training clips of each texture (default: 40)")
    parser.add_argument("--texture-duration-s", type=float, default=4.0, help="length of a texture clip (default: 4)")
    add_part_argument(parser, "--rooms", "record synthesised sounds in rooms that echo and colour them")
    parser.add_argument("--seed", type=int, default=0, help="another number makes other sounds (default: 0)")
    parser.add_argument(
        "--num-workers", type=int, default=os.cpu_count() or 1, help="processes (default: one per core)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier build at OUT")
    parser.add_argument("--keep-sounds", action="store_true", help="keep made sounds and manifests in OUT/sounds")


def add_part_argument(parser: argparse.ArgumentParser, name: str, what: str) -> None:
    """Add an option that does something to a part of the clips: to none without it, to all without a number."""
    parser.add_argument(
        name,
        type=float,
        nargs="?",
        const=1.0,
        default=0.0,
        metavar="PART",
        help=f"{what}: all of the clips, or this part of them (0-1)",
    )


@dataclass(frozen=True)
class CorpusJob:
    """A corpus on its way to shards.

    Attributes:
        sounds: folder for manifests and made sounds.
        args: the command's arguments, see `add_build_arguments`.
    """

    sounds: Path
    args: argparse.Namespace

    @property
    def texture_arguments(self) -> dict[str, Any]:
        """Keyword arguments for `make_textures`."""
        return {
            "clips_per_class": self.args.clips_per_class,
            "duration_s": self.args.texture_duration_s,
            "rooms": self.args.rooms,
            "seed": self.args.seed,
            "num_workers": self.args.num_workers,
            "show_progress": True,
        }

    def build(self, *, signal: Path, noise: Path) -> None:
        """Build OUT/signal (labels word and speaker) and OUT/noise (label texture) from two manifests."""
        for folder, manifest, columns in (
            (SIGNAL_FOLDER, signal, ("word", "speaker")),
            (NOISE_FOLDER, noise, (TEXTURE_COLUMN,)),
        ):
            report = build_shards(
                manifest,
                self.args.out / folder,
                one_label=columns,
                num_workers=self.args.num_workers,
                seed=self.args.seed,
                overwrite=self.args.overwrite,
            )
            show(report, Console())


@contextmanager
def building(args: argparse.Namespace, *, recipe: str, source: str = "") -> Iterator[CorpusJob | None]:
    """Give a job whose folder of sounds is removed at the end, unless `--keep-sounds` was given.

    What was asked for is noted at the end, so that asking for it again makes no sounds.

    Args:
        args: see `add_build_arguments`.
        recipe: name and version of how the sounds are made.
        source: what else the sounds are made from.

    Yields:
        The job; None when its outcome is at `args.out` already, which is shown.
    """
    request = {
        "recipe": recipe,
        "source": source,
        **{name: value for name, value in sorted(vars(args).items()) if name not in _NO_INFLUENCE},
    }
    if _is_up_to_date(args, request):
        yield None
        return
    check_writable(args.out)
    args.out.mkdir(parents=True, exist_ok=True)
    remove_leftovers(args.out)
    (args.out / CORPUS_FILE).unlink(missing_ok=True)
    if args.keep_sounds:
        sounds = args.out / "sounds"
        sounds.mkdir(exist_ok=True)
        yield CorpusJob(sounds, args)
    else:
        with scratch_folder(args.out, "sounds") as folder:
            yield CorpusJob(folder, args)
    write_json(args.out / CORPUS_FILE, request)


def _is_up_to_date(args: argparse.Namespace, request: dict[str, Any]) -> bool:
    """Whether the same was made before; shows it then. Damaged shards are an error, told by `ShardError`."""
    folders = [args.out / folder for folder in (SIGNAL_FOLDER, NOISE_FOLDER)]
    if args.overwrite or not all((folder / REQUEST_FILE).is_file() for folder in folders):
        return False
    if args.keep_sounds and not (args.out / "sounds").is_dir():
        return False
    try:
        made = json.loads((args.out / CORPUS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if made != request:
        raise BuildError(f"{args.out}: was made with other settings; --overwrite replaces it")
    for folder in folders:
        show(read_report(folder, is_new=False), Console())
    return True
