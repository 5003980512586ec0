"""What the corpus commands share: arguments, a folder for sounds that come and go, and the call for shards."""

import argparse
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from datamodules.build import build_shards
from datamodules.commands.build import show
from datamodules.corpora.textures import TEXTURE_COLUMN

SIGNAL_FOLDER, NOISE_FOLDER = "signal", "noise"


def add_build_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that all corpus commands have."""
    parser.add_argument("out", type=Path, help="folder for the shards: OUT/signal and OUT/noise")
    parser.add_argument("--clips-per-class", type=int, default=40, help="training clips of each texture (default: 40)")
    parser.add_argument("--texture-duration-s", type=float, default=4.0, help="length of a texture clip (default: 4)")
    parser.add_argument("--seed", type=int, default=0, help="another number makes other sounds (default: 0)")
    parser.add_argument(
        "--num-workers", type=int, default=os.cpu_count() or 1, help="processes (default: one per core)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier build at OUT")
    parser.add_argument("--keep-sounds", action="store_true", help="keep made sounds and manifests in OUT/sounds")


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
def building(args: argparse.Namespace) -> Iterator[CorpusJob]:
    """Give a job whose folder of sounds is removed at the end, unless `--keep-sounds` was given.

    Args:
        args: see `add_build_arguments`.
    """
    args.out.mkdir(parents=True, exist_ok=True)
    if args.keep_sounds:
        sounds = args.out / "sounds"
        sounds.mkdir(exist_ok=True)
        yield CorpusJob(sounds, args)
        return
    with tempfile.TemporaryDirectory(prefix=".sounds-", dir=args.out) as folder:
        yield CorpusJob(Path(folder), args)
