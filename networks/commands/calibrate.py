"""The command `python -m networks calibrate`: how many points the published cochleagram's bands need."""

import argparse

from rich.console import Console

DESCRIPTION = """
Measure anew at how many points each band of the published cochleagram is computed by the multirate method, for the
tolerances that are stored with this package, and store it. Needed when the method itself was changed.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments: there are none."""
    parser.description = DESCRIPTION


def run(args: argparse.Namespace) -> None:
    """Measure and store."""
    from networks.front_ends.cochleagram import Cochleagram
    from networks.front_ends.multirate import chosen, stored

    stored.store({})
    errors = Console(stderr=True, highlight=False)
    for number, tolerance in enumerate(stored.TOLERANCES, start=1):
        errors.print(f"measuring tolerance {tolerance:g} ({number} of {len(stored.TOLERANCES)})")
        Cochleagram(method="multirate", tolerance=tolerance)
    stored.store(chosen.CHOSEN)
    Console().print(f"wrote {stored.FILE}")
