"""The lower half of the inner products against all of them."""

import numpy as np
import pytest
import torch

from evaluate.metrics.temporal.inner_products import PANEL_BYTES, InnerProducts, bytes_of_products

CPU = torch.device("cpu")


@pytest.mark.parametrize("panel_bytes", [1, 2000, PANEL_BYTES])
@pytest.mark.parametrize("places", [[], [0], [29], range(0, 30, 3), [1, 2, 3, 17, 28], range(30)])
def test_equal_those_of_the_rows(panel_bytes, places):
    rng = np.random.default_rng(0)
    rows, places = torch.from_numpy(rng.standard_normal((30, 12))), torch.tensor(list(places), dtype=torch.int64)
    vectors = torch.from_numpy(rng.standard_normal((len(places), 4)))
    products = InnerProducts(rows.split(5, dim=1), 30, CPU, panel_bytes=panel_bytes)
    torch.testing.assert_close(products.among(places), rows[places] @ rows[places].T)
    torch.testing.assert_close(products.times(places, vectors), rows @ rows[places].T @ vectors)


def test_little_more_than_half_is_held():
    num_rows = 165 * 50  # the ECoG data of 165 sounds, in bins of 40 ms
    assert 0.5 < bytes_of_products(num_rows) / (8 * num_rows**2) < 0.6
