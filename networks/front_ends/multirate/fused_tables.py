"""What the compiled code (`fused.cpp`) looks up for a group of bands."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from networks.front_ends.multirate.band_groups import BandGroup
from networks.front_ends.multirate.low_pass import Blocks

POINTS_TOGETHER = 8
"""Points of an envelope that go through the compiled code together, and columns of a cut."""


def fused_tables(group: BandGroup, blocks: Blocks, interpolation: NDArray[np.float64] | None) -> dict[str, NDArray]:
    """What the compiled code looks up for a group.

    Args:
        group: The group.
        blocks: The low-pass of the waveform.
        interpolation: Matrix of the group's interpolation, None where there is none.

    Returns:
        By the names of `fused_table_names`.
    """
    angles = 2 * np.pi * np.arange(group.length) / group.length
    made = [np.stack([np.cos(angles), np.sin(angles)], axis=1), *cut(_low_pass(group.num_points, blocks))]
    if interpolation is not None:
        made += cut(interpolation)
    return dict(zip(fused_table_names(group), made, strict=True))


def fused_table_names(group: BandGroup) -> list[str]:
    """Names of a group's tables, in the order in which the compiled code takes them."""
    names = ["roots", "low_pass_rows", "low_pass_weights"]
    return [*names, "interpolation_rows", "interpolation_weights"] if group.windows else names


def fused_numbers(group: BandGroup, blocks: Blocks) -> list[int]:
    """The numbers that the compiled code is told of a group."""
    size, half_taps = group.windows or (group.length, 0)
    width = blocks.pieces * blocks.frames
    blocks_at_once = _blocks_at_once(group.num_points, blocks)
    of_blocks = (blocks.count, blocks.frames, blocks.lead, width, blocks_at_once)
    return [group.length, group.num_points, size, half_taps, *of_blocks]


class Banded(NamedTuple):
    """A matrix, cut into `POINTS_TOGETHER` columns each; of each cut the rows from the first to the last that is not 0.

    Attributes:
        rows: (cuts, 3): the first row, how many are kept, and how many are kept of all cuts before.
        weights: (sum of the numbers of rows, `POINTS_TOGETHER`); columns after the last are 0.
    """

    rows: NDArray[np.int64]
    weights: NDArray[np.float64]


def cut(matrix: NDArray[np.float64]) -> Banded:
    """Keep of a matrix, (rows, columns), what is not 0, cut by cut."""
    padded = np.pad(matrix, ((0, 0), (0, -matrix.shape[1] % POINTS_TOGETHER)))
    rows: list[tuple[int, int, int]] = []
    weights: list[NDArray[np.float64]] = []
    for part in padded.reshape(len(matrix), -1, POINTS_TOGETHER).transpose(1, 0, 2):
        inside = np.flatnonzero(part.any(axis=1))
        first, end = (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, 0)
        rows.append((first, end - first, sum(len(each) for each in weights)))
        weights.append(part[first:end])
    return Banded(np.array(rows), np.concatenate(weights))


def _low_pass(num_points: int, blocks: Blocks) -> NDArray[np.float64]:
    """(frames, points) of a few blocks."""
    weights = blocks.weights(num_points)
    points, width = weights.shape
    at_once = _blocks_at_once(num_points, blocks)
    result = np.zeros(((at_once - 1) * blocks.frames + width, at_once * points))
    for block in range(at_once):
        first = block * blocks.frames
        result[first : first + width, block * points : (block + 1) * points] = weights.T
    return result


def _blocks_at_once(num_points: int, blocks: Blocks) -> int:
    """Blocks that have a multiple of `POINTS_TOGETHER` points together; all of them where no fewer have."""
    at_once = POINTS_TOGETHER // math.gcd(num_points // blocks.count, POINTS_TOGETHER)
    return at_once if blocks.count % at_once == 0 else blocks.count
