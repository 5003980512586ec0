"""What an objective is: something that a network learns from sounds without labels."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from torch import Tensor, nn

from datamodules.batches.augmentation.on_device import CHANGE_COCHLEAGRAMS
from networks import AuditoryNetwork
from train.errors import TrainingError

LOSS = "loss"
"""Key of the value that is minimised."""


class Heard:
    """What a network makes of a batch: each part is computed when first needed, once for all tasks and objectives.

    Args:
        network: The network.
        batch: Batch of `datamodules.AuditoryDataModule`.
        seed: Seed of the run.
        cochleagram: (B, F, N) cochleagrams, if they are known already.
    """

    def __init__(
        self, network: AuditoryNetwork, batch: Mapping[str, Any], *, seed: int = 0, cochleagram: Tensor | None = None
    ) -> None:
        self.network, self.batch, self.seed = network, batch, seed
        if cochleagram is not None:
            self.cochleagram = cochleagram

    @cached_property
    def cochleagram(self) -> Tensor:
        """(B, F, N) cochleagrams of the examples."""
        result: Tensor = self.network.front_end(self.batch["waveform"])
        return result

    @cached_property
    def features(self) -> Tensor:
        """(B, D) features of the examples, masks applied if they are drawn; heads compute logits from them."""
        change = self.batch.get(CHANGE_COCHLEAGRAMS)
        result: Tensor = self.network.backbone(self.cochleagram if change is None else change(self.cochleagram))
        return result

    @cached_property
    def second_features(self) -> Tensor:
        """(B, D) features of the second crops.

        Raises:
            TrainingError: The batch has none.
        """
        if "second_crop" not in self.batch:
            raise TrainingError("the batch has no second crops of its sounds: set `data.second_crop` to true")
        return self.network.features(self.batch["second_crop"])

    @property
    def draw(self) -> Tensor:
        """(B, 2) epoch and position of each example: with the seed, the key of all its random numbers."""
        draw: Tensor = self.batch["draw"]
        return draw


class Objective(nn.Module):
    """Base class of objectives, for your own too: a loss that needs no labels.

    A subclass makes its layers in `build`, and computes its values in `forward`. Its parameters are trained, averaged
    and saved with those of the network; the network itself is saved without them. All parameters of the network must
    affect the loss, for training on several GPUs. Random choices must be functions of `heard.seed` and `heard.draw`,
    so that a run resumes exactly and does not depend on the number of processes.

    Args:
        name: Its name in logs and checkpoints.
        loss_weight: Weight of its loss in the sum with tasks and other objectives.

    Raises:
        TrainingError: The name is empty or has a dot or slash, or the weight is negative.
    """

    def __init__(self, *, name: str, loss_weight: float = 1.0) -> None:
        super().__init__()
        if not name or "." in name or "/" in name:
            raise TrainingError(f"an objective's name must be non-empty, without '.' and '/', got {name!r}")
        if not loss_weight >= 0:
            raise TrainingError(f"objective {name!r}: loss_weight must be at least 0, got {loss_weight}")
        self.name, self.loss_weight = name, loss_weight

    def build(self, network: AuditoryNetwork) -> None:
        """Make the layers, whose sizes depend on the network. Called once, before training."""

    def forward(self, heard: Heard) -> dict[str, Tensor]:
        """Compute scalars over a batch: "loss", the mean over its examples, and others to log, such as an accuracy."""
        raise NotImplementedError
