"""Train and test splits over stimuli, including the published ones."""

from dataclasses import dataclass

import numpy as np

from evaluate.array_shapes import show_shapes

# Tuckute, Feather et al. 2023, Methods: ten splits of 165 sounds into 83 and 82, one seed for all analyses.
PUBLISHED_NUM_SPLITS = 10
PUBLISHED_SEED = 0


@dataclass(frozen=True, eq=False)
class Splits:
    """Boolean masks of the stimuli that each split trains and tests on.

    As masks, they keep the stimuli in ascending order, regardless of the order in which they were drawn.

    Attributes:
        train: (splits, S) bool, True for training stimuli.
        test: (splits, S) bool, True for test stimuli; never True where `train` is.

    Raises:
        ValueError: The masks are not (splits, S) bool arrays of equal shape, overlap, or leave a side with fewer than
            three stimuli (a correlation needs three).
    """

    train: np.ndarray
    test: np.ndarray

    __repr__ = show_shapes

    def __post_init__(self) -> None:
        for side in ("train", "test"):
            mask = getattr(self, side)
            if not isinstance(mask, np.ndarray) or mask.dtype != bool or mask.ndim != 2:
                found = f"{mask.dtype} {mask.shape}" if isinstance(mask, np.ndarray) else type(mask).__name__
                raise ValueError(f"splits.{side} must be a (splits, S) bool array, got {found}")
        if self.train.shape != self.test.shape or self.train.shape[0] == 0:
            raise ValueError(
                f"splits.train and splits.test must have the same shape with at least one split, "
                f"got {self.train.shape} and {self.test.shape}"
            )
        overlap = (self.train & self.test).any(axis=1)
        if overlap.any():
            raise ValueError(f"split {int(overlap.argmax())} has stimuli that are in both train and test")
        for side in ("train", "test"):
            count = getattr(self, side).sum(axis=1)
            if count.min() < 3:
                raise ValueError(
                    f"split {int(count.argmin())} has {int(count.min())} {side} stimuli; it needs at least 3"
                )

    @property
    def num_splits(self) -> int:
        """Number of splits."""
        return self.train.shape[0]

    @property
    def num_stimuli(self) -> int:
        """Number of stimuli S that the masks cover."""
        return self.train.shape[1]


def published_splits(
    num_stimuli: int,
    num_splits: int = PUBLISHED_NUM_SPLITS,
    num_train: int | None = None,
    seed: int = PUBLISHED_SEED,
) -> Splits:
    """Draw the splits of the published evaluation, with NumPy's legacy generator.

    The generator is seeded once. Then, for each split, `choice(S, num_train, replace=False)` draws the training
    stimuli, and a second `choice` among the remaining stimuli draws the test stimuli. As the second choice takes all of
    them, only its use of the random stream matters, not its result. The global generator is not used.

    Args:
        num_stimuli: Number of stimuli S; 165 gives the published splits of 83 and 82.
        num_splits: Number of splits.
        num_train: Number of training stimuli; by default half of them, rounded up. All others are test stimuli.
        seed: Seed of the legacy generator.

    Returns:
        Masks (splits, S).

    Raises:
        ValueError: There are fewer than six stimuli, or `num_train` leaves a side with fewer than three.
    """
    if num_stimuli < 6:
        raise ValueError(f"num_stimuli must be at least 6 (three on each side of a split), got {num_stimuli}")
    num_train = -(-num_stimuli // 2) if num_train is None else num_train
    num_test = num_stimuli - num_train
    if min(num_train, num_test) < 3:
        raise ValueError(f"num_train must be between 3 and {num_stimuli - 3}, got {num_train}")
    generator = np.random.RandomState(seed)
    train = np.zeros((num_splits, num_stimuli), dtype=bool)
    for split in range(num_splits):
        train[split, generator.choice(num_stimuli, num_train, replace=False)] = True
        generator.choice(num_test, num_test, replace=False)  # the draw of the test stimuli advances the random stream
    return Splits(train=train, test=~train)
