"""What a way of sampling is."""

from abc import ABC, abstractmethod

import numpy as np

from datamodules.shards.clip_sources import ClipSource


class Sampling(ABC):
    """How often each clip of one side is drawn in training, relative to the others.

    A subclass with `weights` is all there is to a way of sampling of your own; a configuration names it by
    `class_path`.
    """

    @abstractmethod
    def weights(self, clips: ClipSource) -> np.ndarray:
        """Weigh the clips.

        Args:
            clips: The training clips of one side. Those of shards have `label_numbers(NAME)`, all their labels at once.

        Returns:
            (num_clips,) float, at least 0: a clip of weight 2 is drawn twice as often as one of weight 1, one of weight
            0 never.
        """
