"""Systems of many penalties against a plain solution of each."""

import pytest
import torch

from evaluate.metrics.temporal.shifted_systems import ShiftedSystems


def products(size, rank, *, largest=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(rank, size, dtype=torch.float64, generator=generator)
    return largest * rows.T @ rows / max(size, 1)


@pytest.mark.parametrize("size", [0, 1, 7, 48, 49, 96, 131])
@pytest.mark.parametrize("rank", [0, 1, 200])
def test_equal_plain_solutions(size, rank):
    matrix, penalties = products(size, rank), torch.tensor([1e4, 1.0, 1e-6], dtype=torch.float64)
    values = products(size, 300, seed=1)[:, :5]
    systems = ShiftedSystems(matrix.clone(), penalties)
    solved = systems.solve(systems.rotate(values))
    for penalty, rotated in zip(penalties, solved, strict=False):
        found = systems.rotate_back(rotated)
        expected = torch.linalg.solve(matrix + penalty * torch.eye(size, dtype=torch.float64), values)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max() if size else 1))


def test_rotation_is_orthogonal_and_leaves_its_argument_alone():
    systems = ShiftedSystems(products(100, 60), torch.ones(1, dtype=torch.float64))
    identity = torch.eye(100, dtype=torch.float64)
    rotation = systems.rotate(identity)
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(100, dtype=torch.float64), rtol=0, atol=1e-12)
    torch.testing.assert_close(systems.rotate_back(rotation), identity, rtol=0, atol=1e-12)


def test_a_penalty_below_rounding_errors_is_that_of_the_smallest_possible():
    matrix = products(100, 3, largest=1e6)
    matrix -= 1e-9 * torch.eye(100)  # as rounding errors leave it
    penalties = torch.tensor([1e3, 1e-3, 1e-30, 1e-40], dtype=torch.float64)
    systems = ShiftedSystems(matrix.clone(), penalties)
    solved = systems.solve(systems.rotate(torch.ones(100, 1, dtype=torch.float64)))
    torch.testing.assert_close(solved[2], solved[1], rtol=0, atol=0)
    torch.testing.assert_close(solved[3], solved[1], rtol=0, atol=0)
