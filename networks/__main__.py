"""The command `python -m networks COMMAND ...`."""

import sys
from collections.abc import Sequence

from networks.commands.dispatch import dispatch

COMMANDS = {
    "calibrate": "networks.commands.calibrate:Calibrate",
    "convert": "networks.commands.convert:Convert",
    "export": "networks.commands.export:Export",
    "summary": "networks.commands.summary:ShowSummary",
}
"""Class of each command, imported when it is needed."""

DESCRIPTION = "Networks and their weights."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, by default that of `sys.argv`; see `networks.commands.dispatch`."""
    return dispatch("networks", DESCRIPTION, COMMANDS, arguments)


if __name__ == "__main__":
    sys.exit(main())
