"""The leading eigenvectors against those of a full decomposition."""

import numpy as np
import pytest
import torch

from evaluate.metrics.temporal.leading_subspace import leading_eigenpairs, leading_subspace

SPECTRA = {
    "decaying": 1.0 / np.arange(1, 201) ** 2,
    "nearly flat": np.linspace(2.0, 1.0, 200),
    "low rank": np.r_[np.ones(5), np.zeros(195)],
    "zero": np.zeros(200),
    "large range": 10.0 ** -np.linspace(0, 14, 200),
}


@pytest.mark.parametrize("in_memory", [False, True])
@pytest.mark.parametrize("kind", SPECTRA)
@pytest.mark.parametrize("num_wanted", [3, 20, 300])
def test_subspace_is_that_of_the_largest_eigenvalues(kind, num_wanted, in_memory):
    spectrum = torch.as_tensor(SPECTRA[kind])
    generator = torch.Generator().manual_seed(1)
    basis = torch.linalg.qr(torch.randn(200, 200, generator=generator, dtype=torch.float64)).Q
    matrix = (basis * spectrum) @ basis.T
    if in_memory:
        values, found = leading_eigenpairs(matrix.clone(), num_wanted)
    else:
        values, found = leading_subspace(matrix.__matmul__, 200, num_wanted, torch.device("cpu"))
    num = min(num_wanted, 200)
    assert found.shape == (200, num)
    torch.testing.assert_close(found.T @ found, torch.eye(num, dtype=torch.float64), atol=1e-10, rtol=0)
    values = torch.linalg.eigvalsh(found.T @ matrix @ found).flip(0)
    torch.testing.assert_close(values, spectrum[:num], atol=1e-9 * float(spectrum[0]), rtol=1e-9)
