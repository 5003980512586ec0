"""`python -m datamodules hdf5`: convert the published Word-Speaker-Noise files to shards."""

import argparse
from pathlib import Path

from rich.console import Console

from datamodules.building.build import build_shards
from datamodules.commands.build_arguments import add_build_arguments, build_settings, show
from datamodules.corpora.word_speaker_noise import make_manifest
from datamodules.progress import ProgressDisplay
from datamodules.tasks import Side

DESCRIPTION = """
Converts train_*/JSIN_all__run_*.h5 and valid_*/JSIN_all__run_*.h5 to OUT/signal (word, speaker) and OUT/noise
(audioset), in the order of the files. They can also be trained on as they are: give their folder as `signal` and
`noise`. Needs h5py.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = DESCRIPTION
    parser.add_argument("folder", type=Path, help="folder that holds train_* and valid_*")
    parser.add_argument("out", type=Path, help="folder for OUT/signal, OUT/noise and OUT/manifests")
    add_build_arguments(parser, skip_bad=True)


def run(args: argparse.Namespace) -> None:
    """Convert both sides and show what was built."""
    sides: tuple[Side, ...] = ("signal", "noise")
    for side in sides:
        with ProgressDisplay(f"reading the {side} labels of {args.folder}"):
            manifest = make_manifest(args.folder, args.out / "manifests", side=side)
        report = build_shards(
            manifest.path,
            args.out / side,
            one_label=[name for name, labels in manifest.label_sets.items() if labels.kind == "one_label"],
            many_labels=[name for name, labels in manifest.label_sets.items() if labels.kind == "many_labels"],
            label_lists=manifest.label_lists,
            keep_order=True,
            **build_settings(args),
        )
        show(report, Console())
