"""Groups of bands that were measured for the published cochleagram, so that no process spends half a minute on it.

`python -m networks.multirate_stored` measures them anew, when :mod:`networks.multirate_lengths` changes.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from networks.multirate_groups import Group
from networks.multirate_interpolation import Windows

FILE = "multirate_stored.json"
TOLERANCES = (2e-4, 4e-4, 1e-3, 3e-3)


def stored_groups(key: str) -> tuple[Group, ...] | None:
    """Groups of that key; None when nothing was measured for it."""
    rows = _stored().get(key)
    if rows is None:
        return None
    return tuple(
        Group(tuple(bands), length, num_points, Windows(*windows) if windows else None)
        for bands, length, num_points, windows in rows
    )


def store(measured: Mapping[str, Sequence[Group]], path: Path) -> None:
    """Write groups by their keys."""
    lines = ",\n".join(
        f'"{key}": [\n' + ",\n".join(json.dumps(group) for group in groups) + "\n]" for key, groups in measured.items()
    )
    path.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


@functools.cache
def _stored() -> dict[str, list]:
    file = resources.files("networks") / FILE
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def main() -> None:
    """Measure the groups of the published cochleagram and store them."""
    from networks import multirate_lengths
    from networks.cochleagram import Cochleagram

    path = Path(__file__).with_name(FILE)
    path.unlink(missing_ok=True)
    for tolerance in TOLERANCES:
        Cochleagram(method="multirate", tolerance=tolerance)
    store(multirate_lengths.CHOSEN, path)


if __name__ == "__main__":
    main()
