"""The command `python -m evaluate COMMAND ...`."""

import sys
from collections.abc import Sequence

from evaluate.commands.old_dispatch import dispatch

COMMANDS = {
    "score": ("evaluate.commands.score", "score networks against benchmarks"),
    "watch": ("evaluate.commands.watch", "score checkpoints of a run while it trains"),
    "report": ("evaluate.commands.report", "write a page and figures from the scores of runs"),
    "probe": ("evaluate.commands.probe", "tell labelled sounds apart by a stage's activations (transfer check)"),
    "check": ("evaluate.commands.check", "say what is in benchmarks and what is wrong with them"),
    "convert": ("evaluate.commands.convert", "write a benchmark or loose files in the format for own recordings"),
    "fetch": ("evaluate.commands.fetch", "download the public release of brain responses"),
}
"""For each command its module, imported when it is needed, and what it does."""

DESCRIPTION = "Compare the stages of networks with brain responses to sound."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, by default that of `sys.argv`; see `evaluate.commands.old_dispatch`."""
    return dispatch("evaluate", DESCRIPTION, COMMANDS, arguments)


if __name__ == "__main__":
    sys.exit(main())
