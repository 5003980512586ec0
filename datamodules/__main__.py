"""The command line: `python -m datamodules COMMAND ...`."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from rich.console import Console

from datamodules.audio import AudioError
from datamodules.batches.mixing import MixingError
from datamodules.building.build_report import BuildError
from datamodules.commands.help_format import DefaultsHelp
from datamodules.files import NotWritableError
from datamodules.manifests.manifest import ManifestError
from datamodules.shards.index import ShardError
from networks.installation import InstallationError

COMMANDS = {
    "build": ("datamodules.commands.build", "build shard sets from a manifest of sounds and labels"),
    "merge": ("datamodules.commands.merge", "complete a build that was split into parts"),
    "check": ("datamodules.commands.check", "verify shard sets in full and name what is damaged"),
    "audioset": ("datamodules.commands.audioset", "build shard sets from AudioSet's segment lists and clips"),
    "words": ("datamodules.commands.words", "build shard sets of words from recordings with word alignments"),
    "genres": ("datamodules.commands.genres", "build shard sets from folders of sounds, one folder per class"),
    "hdf5": ("datamodules.commands.hdf5", "convert the published Word-Speaker-Noise HDF5 files to shard sets"),
    "fsdd": ("datamodules.corpora.fsdd", "build shard sets from the Free Spoken Digit Dataset"),
    "demo": ("datamodules.demo.corpus", "synthesise the demo's words and textures and build their shard sets"),
}
"""For each command the module with `add_arguments(parser)` and `run(args)`, imported when it is needed."""

EXIT_INTERRUPTED = 130
"""As shells have it: 128 and the number of the signal."""

ERRORS = (ManifestError, BuildError, ShardError, AudioError, MixingError, InstallationError, NotWritableError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the command line without the program's name; None takes it from the process.

    Returns:
        Exit code: 0 when all went well, 1 when the command failed or found damage, 130 when it was interrupted.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    chosen = next((argument for argument in arguments if not argument.startswith("-")), None)
    parser = argparse.ArgumentParser(prog="python -m datamodules", description="From corpora to shards.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, help_text) in COMMANDS.items():
        command = commands.add_parser(name, help=help_text, description=help_text, formatter_class=DefaultsHelp)
        if name == chosen:
            try:
                implementation = importlib.import_module(module)
            except InstallationError as error:
                _tell(str(error))
                return 1
            implementation.add_arguments(command)
    args = parser.parse_args(arguments)
    try:
        return implementation.run(args) or 0
    except ERRORS as error:
        _tell(str(error))
        return 1
    except KeyboardInterrupt:
        _tell("interrupted")
        return EXIT_INTERRUPTED


def _tell(message: str) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False).print(message, style="red", markup=False)


if __name__ == "__main__":
    sys.exit(main())
