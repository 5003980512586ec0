"""A linear probe while a network trains: how well its activations distinguish labelled sounds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
from torch import nn

from evaluate.callback.callback import is_last_epoch
from evaluate.features.activations import resolve_stages
from evaluate.isolation import undisturbed
from evaluate.options import DEFAULT_BATCH_SIZE, PUBLISHED_NUM_FOLDS
from evaluate.probe.crop_features import crop_features
from evaluate.probe.labelled_sounds import LabelledSoundsError, find_labelled_sounds
from evaluate.probe.probe import ProbeError, ProbeResult, probe, stratified_folds
from train.errors import TrainingError
from train.learning.module import EMA_SUFFIX

COCHLEAGRAM = "cochleagram"
"""Name of the baseline, the output of the front end."""


class LinearProbe(pl.Callback):
    """Classifies labelled sounds by the activations of the network, as `cochlearn probe` does, after validations.

    Networks that learn without labels have no accuracy of their own: this is theirs. Logged are the mean accuracy over
    folds and chance, the share of the most common label, as `val/{sounds}/{stage}/top1` and `.../chance`, and likewise
    for the time-averaged cochleagram, which nothing was learnt for. With an average of the weights, its accuracies are
    `val/{sounds}_ema/...`. In a configuration:

        trainer:
          callbacks:
            - class_path: LinearProbe
              init_args: {sounds: sounds.csv}

    Training is not affected: random states and training flags are restored.

    Args:
        sounds: Folder or table of labelled sounds, see `evaluate.probe.labelled_sounds.find_labelled_sounds`.
        name: Its name in logs; by default that of the folder or table.
        stages: Stages to probe; by default the last one.
        every_n_validations: Probe after every n-th validation, and after the last.
        num_crops: Random crops of each sound, which vote on its label.
        num_folds: Number of folds, unless the table has folds.
        seed: Seed of crops and folds.
        batch_size: Crops per forward pass.

    Raises:
        TrainingError: The sounds cannot be used, or a number is too small.
    """

    def __init__(
        self,
        sounds: str,
        *,
        name: str | None = None,
        stages: Sequence[str] | None = None,
        every_n_validations: int = 1,
        num_crops: int = 1,
        num_folds: int = PUBLISHED_NUM_FOLDS,
        seed: int = 0,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> None:
        if min(every_n_validations, num_crops, batch_size) < 1 or num_folds < 3 or seed < 0:
            raise TrainingError(
                "LinearProbe: every_n_validations, num_crops and batch_size must be at least 1, num_folds at least 3 "
                f"and seed at least 0, got {every_n_validations}, {num_crops}, {batch_size}, {num_folds} and {seed}"
            )
        try:
            self.sounds = find_labelled_sounds(sounds)
            folds = self.sounds.folds
            self._folds = np.asarray(
                stratified_folds(self.sounds.labels, self.sounds.sources, num_folds=num_folds, seed=seed)
                if folds is None
                else folds
            )
        except (LabelledSoundsError, ProbeError) as error:
            raise TrainingError(f"LinearProbe: {error}") from error
        self.name = name or self.sounds.name
        self.stages = None if stages is None else tuple(stages)
        self.every_n_validations, self.num_crops = every_n_validations, num_crops
        self.seed, self.batch_size = seed, batch_size
        self._num_validations = 0
        self._baseline: ProbeResult | None = None

    @property
    def state_key(self) -> str:
        """Key of its state in checkpoints: a run may have several probes, under different names."""
        return self._generate_state_key(name=self.name)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Check the stages before training starts."""
        resolve_stages(pl_module.network, self.stages)  # type: ignore[arg-type]

    def state_dict(self) -> dict[str, Any]:
        """Return the number of validations so far."""
        return {"num_validations": self._num_validations}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore it."""
        self._num_validations = int(state_dict["num_validations"])

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Probe, and log the accuracies."""
        if trainer.sanity_checking:
            return
        self._num_validations += 1
        is_due = self._num_validations % self.every_n_validations == 0 or is_last_epoch(trainer)
        if trainer.state.fn == "fit" and not is_due:
            return
        networks = {"": pl_module.network}
        if (ema := getattr(pl_module, "ema", None)) is not None:
            networks[EMA_SUFFIX] = ema.network
        with undisturbed(pl_module):
            for suffix, network in networks.items():
                stages = self.stages or [network.stages[-1]]  # type: ignore[union-attr, index]
                for stage, result in self._probed(network, stages).items():  # type: ignore[arg-type]
                    self._log(trainer, pl_module, f"val/{self.name}{suffix}/{stage}", result)
            if self._baseline is None:
                front_end = _FrontEndStage(pl_module.network.front_end)  # type: ignore[union-attr]
                (self._baseline,) = self._probed(front_end, [COCHLEAGRAM], pl_module.device).values()
            self._log(trainer, pl_module, f"val/{self.name}/{COCHLEAGRAM}", self._baseline)

    def _probed(self, network: nn.Module, stages: Sequence[str], device: Any = None) -> dict[str, ProbeResult]:
        sounds = self.sounds
        made = None
        if sounds.waveforms is not None:
            made = sounds.waveforms(int(network.sample_rate_hz), int(network.num_samples))  # type: ignore[arg-type]
        features = crop_features(
            network,
            sounds.paths if made is None else made,
            stages=stages,
            num_crops=self.num_crops if made is None else 1,
            seed=self.seed,
            batch_size=self.batch_size,
            device=device,
        )
        return {stage: probe(values, sounds.labels, self._folds) for stage, values in features.items()}

    def _log(self, trainer: pl.Trainer, pl_module: pl.LightningModule, prefix: str, result: ProbeResult) -> None:
        """Log what the first process found: with batch statistics of their own, others may differ a little."""
        pl_module.log(f"{prefix}/top1", trainer.strategy.broadcast(result.mean), prog_bar=True)
        pl_module.log(f"{prefix}/chance", result.chance)


class _FrontEndStage(nn.Module):
    """A front end as a network with one stage."""

    stages = (COCHLEAGRAM,)

    def __init__(self, front_end: Any) -> None:
        super().__init__()
        self.front_end = front_end
        self.sample_rate_hz, self.num_samples = front_end.sample_rate_hz, front_end.num_samples

    def stage_modules(self) -> dict[str, nn.Module]:
        return {COCHLEAGRAM: self.front_end}

    def forward(self, waveform: Any) -> Any:
        return self.front_end(waveform)
