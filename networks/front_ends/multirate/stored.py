"""Groups of bands that were measured for the published cochleagram, so that no process spends half a minute on it.

`python -m networks calibrate` measures them anew, when :mod:`networks.front_ends.multirate.measured` changes.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from networks.front_ends.multirate.band_groups import BandGroup
from networks.front_ends.multirate.interpolation import Windows

FILE = Path(__file__).with_name("stored.json")
TOLERANCES = (2e-4, 4e-4, 1e-3, 3e-3)


def stored_groups(key: str) -> tuple[BandGroup, ...] | None:
    """Groups of that key; None when nothing was measured for it."""
    rows = _stored().get(key)
    if rows is None:
        return None
    return tuple(
        BandGroup(tuple(bands), length, num_points, Windows(*windows) if windows else None)
        for bands, length, num_points, windows in rows
    )


def store(measured: Mapping[str, Sequence[BandGroup]]) -> None:
    """Replace what is stored by these groups, by their keys."""
    lines = ",\n".join(
        f'"{key}": [\n' + ",\n".join(json.dumps(group) for group in groups) + "\n]" for key, groups in measured.items()
    )
    _stored.cache_clear()
    FILE.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


@functools.cache
def _stored() -> dict[str, list]:
    return json.loads(FILE.read_text(encoding="utf-8"))
