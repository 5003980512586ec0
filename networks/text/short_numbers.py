"""Numbers of single precision, written for people: 0.4 rather than 0.4000000059604645."""

import numpy as np


def shortest(value: float) -> float:
    """The number with the fewest digits that is the same in single precision, if a number has that precision.

    Args:
        value: Any number.

    Returns:
        The number to write. An integer, and a value that single precision cannot hold, are returned as they are.
    """
    if isinstance(value, int):
        return value
    with np.errstate(over="ignore"):  # beyond the range of single precision is infinite, so not the same
        single = np.float32(value)
    return float(str(single)) if float(single) == value else value
