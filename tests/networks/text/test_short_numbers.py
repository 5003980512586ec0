"""Numbers of single precision are written with few digits, and those of double precision as they are."""

import math

import numpy as np
import pytest

from networks.text.short_numbers import shortest


@pytest.mark.parametrize("value", [0.4, 1 / 3, 1e-7, 1200.0, -2.5, 16777217.0, 1e300, 0.0, math.inf])
def test_double_precision_stays(value):
    assert shortest(value) == value


@pytest.mark.parametrize("text", ["0.4", "0.33333334", "1.5", "123456.0", "1e-07"])
def test_single_precision_is_short(text):
    single = np.float32(text)
    assert shortest(float(single)) == float(text)
    assert np.float32(shortest(float(single))) == single


def test_not_a_number_stays():
    assert math.isnan(shortest(math.nan))
