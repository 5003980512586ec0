"""Streams of random numbers, and shuffles, as pure functions of (seed, purpose, epoch, position)."""

from enum import IntEnum
from functools import lru_cache

import numpy as np

from datamodules.batches.settings_error import DataSettingsError


class Purpose(IntEnum):
    """What random numbers are for: each purpose has its own stream, independent of the others."""

    SIGNAL_ORDER = 0
    NOISE_ORDER = 1
    TRAINING_EXAMPLE = 2
    VALIDATION_NOISE_ORDER = 3
    VALIDATION_EXAMPLE = 4
    BUILD_ORDER = 5
    STREAM_WINDOW = 6
    AUGMENTATION = 7
    MIXUP = 8
    AUGMENTATION_OF_SECOND_CROP = 9
    SECOND_CROP = 20
    VALIDATION_SECOND_CROP = 21


def check_seed(seed: int) -> None:
    """Raise `DataSettingsError` if a seed does not fit the generator's key."""
    if not 0 <= seed < 2**64:
        raise DataSettingsError(f"seed must be between 0 and 2^64 - 1, got {seed}")


def generator(
    *, seed: int, purpose: Purpose, epoch: int = 0, position: int = 0, stream: int = 0
) -> np.random.Generator:
    """Make a generator of random numbers that are a pure function of the arguments.

    The counter-based Philox generator (Salmon et al. 2011) is keyed by the seed and the stream; purpose, epoch and
    position set its counter, whose lowest 64 bits count the numbers drawn.

    Args:
        seed: 0 to 2^64 - 1.
        purpose: What the numbers are for.
        epoch: Epoch or cycle.
        position: Position within it.
        stream: One of several streams for the same purpose.

    Returns:
        The generator, at its start.
    """
    check_seed(seed)
    counter = np.array([0, position, epoch, int(purpose)], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=np.array([seed, stream], dtype=np.uint64), counter=counter))


@lru_cache(maxsize=4)
def permutation(num_items: int, *, seed: int, purpose: Purpose, cycle: int = 0) -> np.ndarray:
    """Shuffle items, as a pure function of the arguments.

    Args:
        num_items: Number of items.
        seed: Seed of the run.
        purpose: What is shuffled.
        cycle: Index of the shuffle; for signals, the epoch.

    Returns:
        (num_items,) int64, read-only.
    """
    order = generator(seed=seed, purpose=purpose, epoch=cycle).permutation(num_items)
    order.flags.writeable = False
    return order
