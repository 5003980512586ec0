"""The groups of bands of a front end: stored ones for the published setting, else measured once in a process."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from networks.front_ends.multirate.band_groups import BandGroup
from networks.front_ends.multirate.low_pass import Blocks
from networks.front_ends.multirate.measured import measure_groups
from networks.front_ends.multirate.stored import stored_groups

CHOSEN: dict[str, tuple[BandGroup, ...]] = {}


def choose_groups(responses: NDArray[np.float64], blocks: Blocks, **settings: float) -> tuple[BandGroup, ...]:
    """Groups of bands, with the fewest points in all that have the error asked for.

    Args:
        responses: (F, K) frequency responses.
        blocks: low-pass of the waveform.
        settings: tolerance and the others of `measured.measure_groups`; for settings that
            are not stored, measuring takes up to half a minute.
    """
    key = _key(responses, blocks, settings)
    if key not in CHOSEN:
        CHOSEN[key] = stored_groups(key) or measure_groups(responses, blocks, **settings)
    return CHOSEN[key]


def _key(responses: NDArray[np.float64], blocks: Blocks, settings: dict[str, float]) -> str:
    numbers = (*blocks.low_pass, blocks.num_samples, *sorted(settings.items()))
    # Responses in half precision: they differ in their last digits from processor to processor.
    return hashlib.sha256(responses.astype(np.float16).tobytes() + repr(numbers).encode()).hexdigest()
