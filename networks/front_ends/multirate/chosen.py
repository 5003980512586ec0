"""The groups of bands of a front end: stored for the published settings, otherwise measured once in a process.

`python -m networks calibrate` measures the stored ones again. This is only needed when
`networks.front_ends.multirate.calibration` changes.
"""

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from networks.front_ends.multirate.band_groups import BandGroup
from networks.front_ends.multirate.calibration import measure_groups
from networks.front_ends.multirate.interpolation import Windows
from networks.front_ends.multirate.low_pass import Blocks

FILE = Path(__file__).with_name("stored.json")
TOLERANCES = (2e-4, 4e-4, 1e-3, 3e-3)
"""Tolerances of the published cochleagram for which groups are stored."""

CHOSEN: dict[str, tuple[BandGroup, ...]] = {}
"""Groups that this process has chosen, by key."""


def choose_groups(responses: NDArray[np.float64], blocks: Blocks, **settings: float) -> tuple[BandGroup, ...]:
    """Choose the groups of bands with the fewest points that keep the error within the tolerance.

    Args:
        responses: (F, K) frequency responses.
        blocks: Low-pass of the waveform.
        settings: Tolerance and the other settings of `measure_groups`. Measuring settings that are not stored takes up
            to half a minute.

    Returns:
        The groups.
    """
    key = _key(responses, blocks, settings)
    if key not in CHOSEN:
        CHOSEN[key] = stored_groups(key) or measure_groups(responses, blocks, **settings)
    return CHOSEN[key]


def stored_groups(key: str) -> tuple[BandGroup, ...] | None:
    """Return the groups stored under a key, or None if there are none."""
    rows = _stored().get(key)
    if rows is None:
        return None
    return tuple(
        BandGroup(tuple(bands), length, num_points, Windows(*windows) if windows else None)
        for bands, length, num_points, windows in rows
    )


def store_groups(measured: Mapping[str, Sequence[BandGroup]]) -> None:
    """Replace the stored groups, given by key."""
    lines = ",\n".join(
        f'"{key}": [\n' + ",\n".join(json.dumps(group) for group in groups) + "\n]" for key, groups in measured.items()
    )
    _stored.cache_clear()
    FILE.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


@functools.cache
def _stored() -> dict[str, list]:
    return json.loads(FILE.read_text(encoding="utf-8"))


def _key(responses: NDArray[np.float64], blocks: Blocks, settings: dict[str, float]) -> str:
    numbers = (*blocks.low_pass, blocks.num_samples, *sorted(settings.items()))
    # Half precision: the last digits of the responses differ between processors.
    return hashlib.sha256(responses.astype(np.float16).tobytes() + repr(numbers).encode()).hexdigest()
