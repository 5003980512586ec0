"""A complete model of the auditory system: front end, backbone and one linear head per task."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from networks.backbones.backbone import Backbone
from networks.description import Described
from networks.front_ends.cochleagram import Cochleagram
from networks.front_ends.front_end import FrontEnd
from networks.training_flags import evaluation_mode


class AuditoryNetwork(Described):
    """Waveform -> cochleagram -> backbone -> logits for each task.

    Args:
        backbone: Maps cochleagrams (B, F, N) to features (B, D) and names its stages.
        num_classes: Number of classes of each task, including the null class, by task name; empty for a network that
            learns without labels.
        front_end: Maps waveforms (B, T) to (B, F, N): the published `Cochleagram` by default, `MelSpectrogram`, or your
            own `FrontEnd`.

    Attributes:
        class_names: Names of the classes of each task in the order of its logits, if they are known, as for the network
            of a checkpoint.
        num_features: Number of features of the backbone, D.

    Raises:
        ValueError: If a task has no classes, or its name has a dot (names of parameters contain it).
    """

    def __init__(self, backbone: Backbone, num_classes: Mapping[str, int], front_end: FrontEnd | None = None) -> None:
        super().__init__()
        for task, number in num_classes.items():
            if number < 1 or "." in task:
                raise ValueError(f"expected a name without dots and at least one class, got {task!r}: {number}")
        self.front_end = front_end if front_end is not None else Cochleagram()
        self.init_args["front_end"] = self.front_end
        self.backbone = backbone
        self.class_names: dict[str, tuple[str, ...]] = {}
        self.num_features = self._size_backbone()
        self.heads = nn.ModuleDict({task: nn.Linear(self.num_features, number) for task, number in num_classes.items()})

    def _size_backbone(self) -> int:
        """Run one silent example through the backbone, which sizes its lazy layers. Return the number of features D."""
        lazy = any(isinstance(parameter, nn.UninitializedParameter) for parameter in self.backbone.parameters())
        with evaluation_mode(self.backbone), torch.no_grad():
            features = self.backbone(torch.zeros(1, *self.front_end.output_shape))
        initialize = getattr(self.backbone, "initialize", None)
        if lazy and initialize is not None:
            initialize()
        return int(features.shape[1])

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of the waveforms in Hz."""
        return self.front_end.sample_rate_hz

    @property
    def num_samples(self) -> int:
        """Samples of a waveform, T."""
        return self.front_end.num_samples

    @property
    def num_classes(self) -> dict[str, int]:
        """Number of classes of each task."""
        return dict(self.init_args["num_classes"])

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the analysed stages, in order."""
        return tuple(self.backbone.stages)

    def stage_modules(self) -> dict[str, nn.Module]:
        """Map each stage to the submodule whose output, (B, C, F, N) or (B, D), is its activation."""
        return self.backbone.stage_modules()

    def forward(
        self, waveform: Tensor, change_cochleagrams: Callable[[Tensor], Tensor] | None = None
    ) -> dict[str, Tensor]:
        """(B, T) waveforms -> logits (B, classes) by task.

        Args:
            waveform: (B, T).
            change_cochleagrams: Applied to the cochleagrams (B, F, N) before the backbone, such as masks in training.
        """
        cochleagrams = self.front_end(waveform)
        features = self.backbone(cochleagrams if change_cochleagrams is None else change_cochleagrams(cochleagrams))
        return self.classify(features)

    def features(self, waveform: Tensor) -> Tensor:
        """(B, T) waveforms -> features (B, D), which the heads classify."""
        result: Tensor = self.backbone(self.front_end(waveform))
        return result

    def classify(self, features: Tensor) -> dict[str, Tensor]:
        """(B, D) features -> logits (B, classes) by task."""
        return {task: head(features) for task, head in self.heads.items()}
