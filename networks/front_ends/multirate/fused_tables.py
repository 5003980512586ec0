"""Tables of the compiled code (`fused.cpp`) for a group of bands."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from networks.front_ends.multirate.band_groups import BandGroup
from networks.front_ends.multirate.low_pass import Blocks

POINTS_TOGETHER = 8
"""Points of an envelope that the compiled code processes together: the columns of a slice of a banded matrix."""


def fused_tables(group: BandGroup, blocks: Blocks, interpolation: NDArray[np.float64] | None) -> dict[str, NDArray]:
    """Make the tables of a group.

    Args:
        group: The group of bands.
        blocks: Low-pass of the waveform.
        interpolation: Matrix of the group's interpolation; None if it has none.

    Returns:
        The tables by name, see `fused_table_names`.
    """
    angles = 2 * np.pi * np.arange(group.length) / group.length
    made = [np.stack([np.cos(angles), np.sin(angles)], axis=1), *cut(_low_pass(group.num_points, blocks))]
    if interpolation is not None:
        made += cut(interpolation)
    return dict(zip(fused_table_names(group), made, strict=True))


def fused_table_names(group: BandGroup) -> list[str]:
    """Names of a group's tables, in the order that the compiled code expects."""
    names = ["roots", "low_pass_rows", "low_pass_weights"]
    return [*names, "interpolation_rows", "interpolation_weights"] if group.windows else names


def fused_numbers(group: BandGroup, blocks: Blocks) -> list[int]:
    """Integers that describe a group, in the order that the compiled code expects."""
    size, half_taps = group.windows or (group.length, 0)
    width = blocks.pieces * blocks.frames
    blocks_at_once = _blocks_at_once(group.num_points, blocks)
    of_blocks = (blocks.count, blocks.frames, blocks.lead, width, blocks_at_once)
    return [group.length, group.num_points, size, half_taps, *of_blocks]


class Banded(NamedTuple):
    """A banded matrix in slices of `POINTS_TOGETHER` columns, each with its first to last non-zero row.

    Attributes:
        rows: (slices, 3): first row, number of rows, and number of rows of all slices before.
        weights: (sum of the numbers of rows, `POINTS_TOGETHER`); columns after the last are 0.
    """

    rows: NDArray[np.int64]
    weights: NDArray[np.float64]


def cut(matrix: NDArray[np.float64]) -> Banded:
    """Cut a matrix (rows, columns) into slices and keep their non-zero rows."""
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
    """Low-pass matrix of a few blocks, (frames, points)."""
    weights = blocks.weights(num_points)
    points, width = weights.shape
    at_once = _blocks_at_once(num_points, blocks)
    result = np.zeros(((at_once - 1) * blocks.frames + width, at_once * points))
    for block in range(at_once):
        first = block * blocks.frames
        result[first : first + width, block * points : (block + 1) * points] = weights.T
    return result


def _blocks_at_once(num_points: int, blocks: Blocks) -> int:
    """Smallest number of blocks with a multiple of `POINTS_TOGETHER` points; all blocks if it does not divide them."""
    at_once = POINTS_TOGETHER // math.gcd(num_points // blocks.count, POINTS_TOGETHER)
    return at_once if blocks.count % at_once == 0 else blocks.count
