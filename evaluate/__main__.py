"""The command `python -m evaluate COMMAND ...`."""

import sys
from collections.abc import Sequence

from networks.commands.dispatch import dispatch

COMMANDS = {
    "score": "evaluate.commands.score:Score",
    "watch": "evaluate.commands.watch:Watch",
    "report": "evaluate.commands.report:ReportRuns",
    "probe": "evaluate.commands.probe:Probe",
    "partition": "evaluate.commands.partition:Partition",
    "check": "evaluate.commands.check:CheckBenchmarks",
    "convert": "evaluate.commands.convert:ConvertBenchmark",
    "fetch": "evaluate.commands.fetch:Fetch",
}
"""Class of each command, imported when it is needed."""

DESCRIPTION = "Compare the stages of networks with brain responses to sound."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, by default that of `sys.argv`; see `networks.commands.dispatch`."""
    return dispatch("evaluate", DESCRIPTION, COMMANDS, arguments)


if __name__ == "__main__":
    sys.exit(main())
