"""Interpolation of subbands against the inverse FFTs that give the same points, and its adjoint."""

import numpy as np
import pytest
import torch

from networks.front_ends.multirate.interpolation import Windows, half_taps_for

LENGTH, POINTS, WIDTH = 960, 2800, 600
SIZE = 12


def inverse_fft(spectrum: np.ndarray, length: int) -> np.ndarray:
    """Points of a band centred on 0, bins -WIDTH / 2 onwards."""
    padded = np.zeros((len(spectrum), length), complex)
    padded[:, (np.arange(WIDTH) - WIDTH // 2) % length] = spectrum
    return np.fft.ifft(padded, norm="forward")


@pytest.mark.parametrize("error", [1e-2, 1e-3, 1e-4])
def test_points_are_those_of_a_longer_inverse_fft(error):
    rng = np.random.default_rng(0)
    spectrum = rng.standard_normal((5, WIDTH)) + 1j * rng.standard_normal((5, WIDTH))
    windows = Windows(SIZE, half_taps_for(WIDTH / LENGTH, error))
    matrix = torch.tensor(windows.matrix(POINTS * SIZE // LENGTH, WIDTH / LENGTH))
    parts = windows.interpolate(torch.tensor(inverse_fft(spectrum, LENGTH)), matrix).numpy()
    expected = inverse_fft(spectrum, POINTS)
    measured = np.linalg.norm(parts[0] + 1j * parts[1] - expected) / np.linalg.norm(expected)
    assert 0.01 * error < measured <= 1.1 * error


def test_smaller_errors_need_more_points():
    assert half_taps_for(0.6, 1e-2) < half_taps_for(0.6, 1e-4) < half_taps_for(0.8, 1e-4)


@pytest.mark.parametrize(("size", "half_taps"), [(12, 5), (8, 8)])
def test_adjoint_is_the_transpose(size, half_taps):
    windows = Windows(size, half_taps)
    matrix = torch.tensor(windows.matrix(3 * size, 0.6))
    generator = torch.Generator().manual_seed(0)
    subbands = torch.randn(2, 4 * size, dtype=torch.complex128, generator=generator)
    parts = windows.interpolate(subbands, matrix)
    others = torch.randn(parts.shape, dtype=torch.float64, generator=generator)
    back = windows.adjoint(others, torch.nn.functional.pad(matrix.T, (0, 3)))
    torch.testing.assert_close((others * parts).sum(), (subbands.conj() * back).real.sum())
