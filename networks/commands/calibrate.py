"""The command `python -m networks calibrate`."""

from dataclasses import dataclass
from typing import ClassVar

from networks.commands.dispatch import text_console


@dataclass(kw_only=True)
class Calibrate:
    """Measure how many points each band of the published cochleagram needs.

    Stores the numbers with this package, for each of its tolerances. Only needed after a change to the multirate
    method.
    """

    positionals: ClassVar[tuple[str, ...]] = ()

    def run(self) -> None:
        """Measure and store."""
        from networks.front_ends.cochleagram import Cochleagram
        from networks.front_ends.multirate import chosen

        chosen.store_groups({})
        errors = text_console(stderr=True, highlight=False)
        for number, tolerance in enumerate(chosen.TOLERANCES, start=1):
            errors.print(f"measuring tolerance {tolerance:g} ({number} of {len(chosen.TOLERANCES)})")
            Cochleagram(method="multirate", tolerance=tolerance)
        chosen.store_groups(chosen.CHOSEN)
        text_console().print(f"wrote {chosen.FILE}")
