"""The command `python -m datamodules COMMAND ...`."""

import sys
from collections.abc import Sequence

from networks.commands.dispatch import dispatch

COMMANDS = {
    "build": "datamodules.commands.build:Build",
    "merge": "datamodules.commands.merge:Merge",
    "check": "datamodules.commands.check:CheckSounds",
    "audioset": "datamodules.commands.audioset:AudioSet",
    "words": "datamodules.commands.words:Words",
    "genres": "datamodules.commands.genres:Genres",
    "hdf5": "datamodules.commands.hdf5:Hdf5",
    "fsdd": "datamodules.commands.fsdd:Fsdd",
    "demo": "datamodules.commands.demo:Demo",
    "packaged": "datamodules.commands.packaged:Packaged",
}
"""Class of each command, imported when it is needed."""

DESCRIPTION = "From corpora to shards."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, by default that of `sys.argv`; see `networks.commands.dispatch`."""
    return dispatch("datamodules", DESCRIPTION, COMMANDS, arguments)


if __name__ == "__main__":
    sys.exit(main())
