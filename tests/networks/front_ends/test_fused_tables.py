"""The tables of the compiled code: banded matrices, cut."""

import numpy as np
import pytest

from networks.front_ends.multirate.fused_tables import POINTS_TOGETHER, cut


def whole(rows: np.ndarray, weights: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    matrix = np.zeros((shape[0], POINTS_TOGETHER * len(rows)))
    for part, (first, count, begin) in enumerate(rows):
        columns = slice(POINTS_TOGETHER * part, POINTS_TOGETHER * (part + 1))
        matrix[first : first + count, columns] = weights[begin : begin + count]
    assert not matrix[:, shape[1] :].any()
    return matrix[:, : shape[1]]


@pytest.mark.parametrize("num_columns", [1, 8, 21])
def test_nothing_is_lost_and_only_what_is_outside_the_band_is_left_out(num_columns):
    rng = np.random.default_rng(0)
    matrix = np.zeros((30, num_columns))
    for column in range(num_columns):
        matrix[column : column + 6, column] = rng.standard_normal(6)
    rows, weights = cut(matrix)
    np.testing.assert_array_equal(whole(rows, weights, matrix.shape), matrix)
    assert len(weights) == rows[:, 1].sum() <= (POINTS_TOGETHER + 5) * len(rows)


def test_columns_of_nothing_have_no_rows():
    rows, weights = cut(np.zeros((5, 9)))
    assert rows[:, 1].tolist() == [0, 0]
    assert weights.shape == (0, POINTS_TOGETHER)
