"""The command `python -m datamodules merge`."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from datamodules.building.build import merge_parts
from datamodules.commands.tables.report_tables import print_report
from networks.commands.dispatch import text_console


@dataclass(kw_only=True)
class Merge:
    """Complete a build that was split into parts.

    Attributes:
        outs: The output that all parts were given.
    """

    outs: list[Path]
    positionals: ClassVar[tuple[str, ...]] = ("outs",)

    @property
    def when_interrupted(self) -> str:
        """What a Ctrl-C leaves."""
        return "the parts are kept; the same command merges them"

    def run(self) -> None:
        """Merge, and print what was built.

        Raises:
            BuildError: There are no parts, or some are not done.
        """
        for out in self.outs:
            print_report(merge_parts(out), text_console())
