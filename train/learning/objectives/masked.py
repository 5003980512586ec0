"""Masked prediction: fill in patches of the cochleagram that were taken out."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from networks import AuditoryNetwork
from networks.training_flags import evaluation_mode
from train.errors import TrainingError
from train.learning.objectives.draws import random_bits
from train.learning.objectives.objective import LOSS, Heard, Objective

MIN_DEVIATION = 1e-4
"""Cochleagrams whose standard deviation is below this are as good as silent: they are not scaled up."""


class MaskedPatches(Objective):
    """Predict masked patches of the cochleagram from the rest (as in He et al. 2022; for CNNs, Xie et al. 2022).

    The cochleagram of each example is z-scored and divided into patches, some of which are replaced by its mean before
    the backbone hears it. A patch is predicted from the map of one stage at its place and from the network's features,
    by a small decoder; the loss is the mean squared error over masked patches: 1 for predicting the mean. Which patches
    are masked is a function of seed, epoch and position.

    Args:
        name: See `Objective`.
        loss_weight: See `Objective`.
        masked_fraction: Fraction of the patches that are masked, between 0 and 1.
        patch_bands: Bands of a patch.
        patch_frames: Frames of a patch; the published cochleagram has 200 a second.
        stage: Stage with a map (B, C, F, N) from which patches are predicted; by default the last one.
        num_hidden: Channels of the decoder.
    """

    def __init__(
        self,
        *,
        name: str = "masked",
        loss_weight: float = 1.0,
        masked_fraction: float = 0.6,
        patch_bands: int = 16,
        patch_frames: int = 20,
        stage: str | None = None,
        num_hidden: int = 256,
    ) -> None:
        super().__init__(name=name, loss_weight=loss_weight)
        if not 0 < masked_fraction < 1:
            raise TrainingError(f"objective {name!r}: masked_fraction must be between 0 and 1, got {masked_fraction}")
        if min(patch_bands, patch_frames, num_hidden) < 1:
            raise TrainingError(
                f"objective {name!r}: patch_bands, patch_frames and num_hidden must be at least 1, got {patch_bands}, "
                f"{patch_frames} and {num_hidden}"
            )
        self.masked_fraction = masked_fraction
        self.patch = (patch_bands, patch_frames)
        self.stage, self.num_hidden = stage, num_hidden

    def build(self, network: AuditoryNetwork) -> None:
        """Make the decoder, for the stage's number of channels.

        Raises:
            TrainingError: The stage does not exist or has no map, or there are too few patches.
        """
        maps = _stages_with_maps(network)
        if self.stage is None and maps:
            self.stage = next(reversed(maps))
        if self.stage not in maps:
            raise TrainingError(
                f"objective {self.name!r}: expected a stage with a map (B, C, F, N), got {self.stage!r}; those are "
                f"{', '.join(maps) or 'none'}"
            )
        bands, frames = network.front_end.output_shape
        self.grid = (-(-bands // self.patch[0]), -(-frames // self.patch[1]))
        num_patches = self.grid[0] * self.grid[1]
        self.num_masked = round(self.masked_fraction * num_patches)
        if not 0 < self.num_masked < num_patches:
            raise TrainingError(
                f"objective {self.name!r}: {self.num_masked} of {num_patches} patches of {self.patch} would be masked, "
                f"expected some, but not all: a cochleagram has {bands} bands and {frames} frames"
            )
        self.of_map = nn.Conv2d(maps[self.stage], self.num_hidden, 1)
        self.of_features = nn.Linear(network.num_features, self.num_hidden)
        self.decoder = nn.Sequential(
            nn.GELU(),
            nn.Conv2d(self.num_hidden, self.num_hidden, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(self.num_hidden, self.patch[0] * self.patch[1], 1),
        )

    def forward(self, heard: Heard) -> dict[str, Tensor]:
        """Compute the loss."""
        cochleagram = heard.cochleagram
        bits = random_bits(heard.draw, self.grid[0] * self.grid[1], seed=heard.seed)
        is_masked = torch.zeros_like(bits, dtype=torch.bool).scatter(1, bits.argsort(dim=1)[:, : self.num_masked], True)
        cells = _cells(is_masked.unflatten(1, self.grid), self.patch, cochleagram.shape[1:])  # (B, F, N)
        # The mean of what is heard: masked patches do not stand out by their level.
        shown = torch.where(cells, 0.0, cochleagram).sum(dim=(1, 2)) / (~cells).sum(dim=(1, 2))
        features, stage_map = self._features_and_map(
            heard.network, torch.where(cells, shown[:, None, None].to(cochleagram.dtype), cochleagram)
        )
        predicted = self._predicted(features, stage_map, cochleagram.shape[1:])
        target = _standardized(cochleagram.detach().float())
        weights = cells / cells.sum(dim=(1, 2), keepdim=True)
        squares = ((predicted.float() - target).square() * weights).sum(dim=(1, 2))  # (B,)
        return {LOSS: squares.mean()}

    def _features_and_map(self, network: AuditoryNetwork, cochleagram: Tensor) -> tuple[Tensor, Tensor]:
        """Run the backbone, and keep the output of one stage."""
        assert self.stage is not None  # set by `build`
        found: list[Tensor] = []
        module = network.stage_modules()[self.stage]
        handle = module.register_forward_hook(lambda _module, _inputs, output: found.append(output))
        try:
            # Compiled code does not call hooks that are added later.
            with torch.compiler.set_stance("force_eager"):
                features = network.backbone(cochleagram)
        finally:
            handle.remove()
        return features, found[-1]

    def _predicted(self, features: Tensor, stage_map: Tensor, shape: torch.Size) -> Tensor:
        """Predict (B, F, N) from the features and the map of the stage."""
        at_place = self.of_map(stage_map)
        if stage_map.shape[2] > self.grid[0] or stage_map.shape[3] > self.grid[1]:
            at_place = adaptive_avg_pool2d(at_place, self.grid)
        else:
            at_place = interpolate(at_place, self.grid, mode="bilinear")
        patches = self.decoder(at_place + self.of_features(features)[:, :, None, None])  # (B, cells, rows, columns)
        whole = nn.functional.fold(
            patches.flatten(2),
            (self.grid[0] * self.patch[0], self.grid[1] * self.patch[1]),
            self.patch,
            stride=self.patch,
        )
        return whole[:, 0, : shape[0], : shape[1]]


class _Map(NamedTuple):
    """A stage and its number of channels."""

    stage: str
    channels: int


def _stages_with_maps(network: AuditoryNetwork) -> dict[str, int]:
    """Channels of the stages whose output is (B, C, F, N), in order."""
    found: list[_Map] = []

    def hook_for(stage: str):  # type: ignore[no-untyped-def]
        def note(_module: nn.Module, _inputs: tuple, output: Tensor) -> None:
            if output.ndim == 4:
                found.append(_Map(stage, output.shape[1]))

        return note

    handles = [module.register_forward_hook(hook_for(stage)) for stage, module in network.stage_modules().items()]
    try:
        parameter = next(network.backbone.parameters())
        silence = torch.zeros(1, *network.front_end.output_shape, device=parameter.device, dtype=parameter.dtype)
        with evaluation_mode(network.backbone), torch.no_grad(), torch.compiler.set_stance("force_eager"):
            network.backbone(silence)
    finally:
        for handle in handles:
            handle.remove()
    return {each.stage: each.channels for each in sorted(found, key=lambda each: network.stages.index(each.stage))}


def _cells(is_masked: Tensor, patch: tuple[int, int], shape: torch.Size) -> Tensor:
    """Spread (B, rows, columns) over the cells of patches: (B, F, N)."""
    spread = is_masked.repeat_interleave(patch[0], dim=1).repeat_interleave(patch[1], dim=2)
    return spread[:, : shape[0], : shape[1]]


def _standardized(cochleagram: Tensor) -> Tensor:
    """Z-score each (F, N) cochleagram of a batch."""
    mean, deviation = cochleagram.mean(dim=(1, 2), keepdim=True), cochleagram.std(dim=(1, 2), keepdim=True)
    return (cochleagram - mean) / deviation.clamp(min=MIN_DEVIATION)
