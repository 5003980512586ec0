"""The command `python -m networks COMMAND ...`."""

import sys
from collections.abc import Sequence

from networks.commands.dispatch import dispatch

COMMANDS = {
    "calibrate": ("networks.commands.calibrate", "measure how many points the bands of the multirate cochleagram need"),
    "convert": ("networks.commands.convert", "make a checkpoint of this project of published weights"),
    "summary": ("networks.commands.summary", "show a network's stages, parameters, operations and receptive fields"),
}
"""For each command its module, imported when it is needed, and what it does."""

DESCRIPTION = "Networks and their weights."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, by default that of `sys.argv`; see `networks.commands.dispatch`."""
    return dispatch("networks", DESCRIPTION, COMMANDS, arguments)


if __name__ == "__main__":
    sys.exit(main())
