"""The LightningModule that trains an auditory network on any list of tasks and objectives."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.cli import LRSchedulerCallable, OptimizerCallable, ReduceLROnPlateau
from pytorch_lightning.utilities import rank_zero_info
from pytorch_lightning.utilities.types import LRSchedulerTypeUnion
from torch import Tensor, nn

from datamodules.tasks import Task
from networks import AuditoryNetwork, Backbone, CheckpointError, FrontEnd
from networks.commands.program import program
from networks.weights.checkpoint import NETWORK_KEY, describe_network
from train.errors import TrainingError
from train.learning.losses import Losses, weighted_losses
from train.learning.objectives.objective import Heard, Objective
from train.learning.optimizers import keep_settings, set_by
from train.learning.parameter_groups import GroupRules, ParameterGroups
from train.learning.schedules import CONSTANT, TrainingSchedule, scale_rates, with_schedule
from train.learning.task_metrics import Accuracy, ClassRanking, accuracy
from train.learning.validation import ConditionMetrics
from train.learning.warm_start import frozen_modules, keep_statistics, take_out_of_training, warm_start
from train.learning.weight_average import AveragedWeights
from train.learning.weighting import UncertaintyWeights, gradient_norm
from train.run.lightning_internals import passes_completed

Batch = dict[str, Any]

EMA_SUFFIX = "_ema"
"""End of the names of conditions in which averaged weights are validated."""


class AuditoryModule(pl.LightningModule):
    """Trains front end, backbone and heads on a list of tasks and objectives.

    The loss is the weighted sum of the mean losses of tasks and objectives, logged as `train/loss`. Validation runs
    over one loader per condition (such as a signal-to-noise ratio) and logs the same sum, `val/{condition}/loss`, as
    well as `val/{condition}/{task}/{metric}`. With an average of the weights (`ema_decay`), it does the same for that,
    as `val/{condition}_ema/...`.

    Args:
        backbone: Network between the cochleagram and the heads.
        tasks: Tasks with their label sets; the command line takes them from the data. May be empty with `objectives`.
        objectives: What is learnt without labels, such as `Contrastive` and `MaskedPatches`, see
            `train.learning.objectives`; alone, or in addition to the tasks.
        front_end: Makes cochleagrams of waveforms; by default, the published one.
        optimizer: Makes the optimiser from the parameters; by default SGD with rate 0.01, momentum 0.9 and weight decay
            1e-4. When training resumes, its settings are those given now, and its momenta those of the checkpoint.
        schedule: Length of training and course of the rate, see `train.learning.schedules.TrainingSchedule`.
        scale_lr_from_batch: Number of examples in a step (over ranks and accumulated batches) for which the rate of the
            optimiser was chosen; the rate is scaled in proportion to the actual number. By default, it is not scaled.
        lr_scheduler: Makes a scheduler of torch from the optimiser, in place of the course of the rate in `schedule`.
            When training resumes, the rate is the one that it had reached.
        lr_interval: Whether `lr_scheduler` steps after every "epoch" (a pass over the signal clips) or "step". A
            ReduceLROnPlateau steps after every epoch.
        loss_weights: Loss weights by task name, in place of those of the tasks.
        label_smoothing: Share of the targets of training that is spread evenly over all classes, such as 0.1.
            Validation losses are those of the labels.
        ema_decay: Keep an exponential moving average of the weights with this decay at every step, such as 0.999
            (smaller in the first steps), see `train.learning.weight_average`. It is validated, scored on brain
            responses and saved next to the weights; `ema:CHECKPOINT` names it.
        decay_norms_and_biases: Whether weight decay also acts on biases and the weights of normalisation.
        layer_rate_decay: Factor of the rate from each layer of the backbone to the one below it, such as 0.75, for
            networks that start from trained weights; the rate of the heads is that of the optimiser.
        rate_factors: Factors of the rate by part of the network, such as `{backbone: 0.1}`, with wildcards as in
            `freeze`.
        val_conditions: Names of the validation loaders, in order; the command line takes them from the data.
        init_from: Checkpoint whose front end, backbone and heads of known tasks a new run starts from.
        freeze: Parts of the network that are not trained ("backbone", "heads.word", "backbone.conv*"); their batch
            normalisation uses its running statistics.
        uncertainty_weighting: Learn the weights of the tasks, see `train.learning.weighting.UncertaintyWeights`. The
            minimised loss is then logged as `train/uncertainty_loss`, in addition to the sum with fixed weights.
        gradient_norms_every_n_steps: Log `train/{task}/gradient_norm` every so many steps: the norm of the gradient of
            each weighted task loss (with the learnt weight, if it is learnt) in the backbone. Each takes an additional
            backward pass per task. It is the norm of the mean gradient over ranks, and of the first of accumulated
            batches. 0 means never.
        channels_last: Store activations with channels innermost; a step of CochCNN9 on a CPU takes a quarter less time.
        compile_backbone: Compile the backbone (torch.compile) at the first step; checkpoints stay the same.
        run_name: Name of the run, stored in its checkpoints.
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        tasks: list[Task],
        objectives: list[Objective] | None = None,
        front_end: FrontEnd | None = None,
        # Tuckute, Feather et al. 2023: CochCNN9 on words. The command line prints a lambda as a class with arguments.
        optimizer: OptimizerCallable = lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=1e-4),
        schedule: TrainingSchedule = CONSTANT,
        scale_lr_from_batch: int | None = None,
        lr_scheduler: LRSchedulerCallable | None = None,
        lr_interval: Literal["epoch", "step"] = "epoch",
        loss_weights: dict[str, float] | None = None,
        label_smoothing: float = 0.0,
        ema_decay: float | None = None,
        decay_norms_and_biases: bool = True,
        layer_rate_decay: float = 1.0,
        rate_factors: dict[str, float] | None = None,
        val_conditions: Sequence[str] = ("mixed",),
        init_from: str | None = None,
        freeze: Sequence[str] = (),
        uncertainty_weighting: bool = False,
        gradient_norms_every_n_steps: int = 0,
        channels_last: bool = False,
        compile_backbone: bool = False,
        run_name: str = "",
    ) -> None:
        super().__init__()
        if not (tasks or objectives):
            raise TrainingError(
                "nothing to learn: name at least one task in `data.tasks`, or an objective in `model.objectives`"
            )
        if not 0 <= label_smoothing < 1:
            raise TrainingError(f"label_smoothing must be at least 0 and below 1, got {label_smoothing}")
        if lr_scheduler is not None and not schedule.is_constant:
            raise TrainingError("give `lr_scheduler` or the course of the rate in `schedule`, not both")
        self.tasks = _with_weights(tasks, loss_weights or {})
        self.network = AuditoryNetwork(backbone, {task.name: task.num_classes for task in tasks}, front_end)
        self.network.class_names = {task.name: task.labels for task in tasks}
        if channels_last:
            self.network.backbone.to(memory_format=torch.channels_last)
        self.objectives = _built(objectives or [], self.network, self.tasks)
        self.ema = None if ema_decay is None else AveragedWeights(self.network, self.objectives, decay=ema_decay)
        if compile_backbone:
            self.network.backbone.compile()
        self.uncertainty = UncertaintyWeights(task.name for task in tasks) if uncertainty_weighting else None
        self.init_from = init_from
        self.frozen = frozen_modules(self.network, freeze)
        take_out_of_training(self.frozen)
        self.gradient_norms_every_n_steps = gradient_norms_every_n_steps
        self.optimizer, self.lr_scheduler, self.lr_interval = optimizer, lr_scheduler, lr_interval
        self.schedule, self.scale_lr_from_batch = schedule, scale_lr_from_batch
        self.group_rules = GroupRules(decay_norms_and_biases, layer_rate_decay, rate_factors or {})
        self.label_smoothing = label_smoothing
        self.val_conditions = tuple(val_conditions)
        self.run_name = run_name
        self._is_epoch_under_way = False
        self.class_rankings: dict[tuple[str, str], ClassRanking] = {}
        """Values of each class at the last validation, by condition and task."""
        self.conditions = nn.ModuleList(ConditionMetrics(self.tasks) for _ in self.shown_conditions)
        self.train_accuracy = nn.ModuleDict(
            {task.name: accuracy(task) for task in self.tasks if task.kind == "one_label"}
        )

    @property
    def shown_conditions(self) -> tuple[str, ...]:
        """Names under which validation values are logged: the conditions, and those of averaged weights."""
        averaged = () if self.ema is None else (f"{name}{EMA_SUFFIX}" for name in self.val_conditions)
        return (*self.val_conditions, *averaged)

    def _conditions(self) -> list[ConditionMetrics]:
        return cast(list[ConditionMetrics], list(self.conditions))

    def _accuracies(self) -> Iterable[tuple[str, Accuracy]]:
        return cast(Iterable[tuple[str, Accuracy]], self.train_accuracy.items())

    def forward(self, waveform: Tensor) -> dict[str, Tensor]:
        """Compute logits (B, classes) by task from waveforms (B, T)."""
        result: dict[str, Tensor] = self.network(waveform)
        return result

    def _logits_and_losses(
        self, heard: Heard, objectives: nn.ModuleDict, *, label_smoothing: float = 0.0
    ) -> tuple[dict[str, Tensor], Losses]:
        logits = {}
        if self.tasks:
            logits = {task: values.float() for task, values in heard.network.classify(heard.features).items()}
        losses = weighted_losses(
            logits,
            heard.batch["targets"],
            self.tasks,
            label_smoothing=label_smoothing,
            objectives=cast(Iterable[Objective], objectives.values()),
            heard=heard,
        )
        return logits, losses

    def _heard(self, batch: Batch) -> Heard:
        # Only objectives draw random numbers.
        seed = getattr(getattr(self.trainer, "datamodule", None), "seed", 0) if len(self.objectives) else 0
        return Heard(self.network, batch, seed=seed)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Compute the loss of a batch; log it and its parts, and update the running accuracies."""
        self._is_epoch_under_way = True
        logits, losses = self._logits_and_losses(
            self._heard(batch), self.objectives, label_smoothing=self.label_smoothing
        )
        size = len(batch["waveform"])
        total = losses.total
        # Averaged over ranks: with equal batches this is the loss of the whole batch, for any number of ranks.
        self.log("train/loss", total, prog_bar=True, batch_size=size, sync_dist=True)
        if self.uncertainty is not None:
            total = self.uncertainty(losses.by_task, self._fixed_weights(), losses.num_labelled)
            if losses.weighted_objectives is not None:
                total = total + losses.weighted_objectives
            self.log("train/uncertainty_loss", total, batch_size=size, sync_dist=True)
            for name, deviation in self.uncertainty.deviations().items():
                self.log(f"train/{name}/uncertainty", deviation, batch_size=size)
        for task, loss in losses.by_task.items():
            self.log(f"train/{task}/loss", loss, batch_size=size, sync_dist=True)
        for objective, values in losses.by_objective.items():
            for name, value in values.items():
                self.log(f"train/{objective}/{name}", value, batch_size=size, sync_dist=True)
        for task, metric in self._accuracies():
            metric.update(logits[task].detach(), batch["targets"][task])
        every = self.gradient_norms_every_n_steps
        if every and self.global_step % every == 0 and batch_idx % self.trainer.accumulate_grad_batches == 0:
            self._log_gradient_norms(losses)
        return total

    def _named_objectives(self) -> Iterable[tuple[str, Objective]]:
        return cast(Iterable[tuple[str, Objective]], self.objectives.items())

    def _fixed_weights(self) -> dict[str, float]:
        return {task.name: task.loss_weight for task in self.tasks}

    def _log_gradient_norms(self, losses: Losses) -> None:
        """Log the norm of each task's part of the gradient in the backbone."""
        shared = [parameter for parameter in self.network.backbone.parameters() if parameter.requires_grad]
        if not shared:
            return
        fixed = self._fixed_weights()
        weights: dict[str, Any] = dict(fixed if self.uncertainty is None else self.uncertainty.effective(fixed))
        weights |= {name: objective.loss_weight for name, objective in self._named_objectives()}
        norms = {
            f"train/{name}/gradient_norm": float(gradient_norm(weights[name] * loss, shared))
            for name, loss in losses.by_name.items()
        }
        self._write(norms, step=self.global_step)

    def _write(self, values: dict[str, float], *, step: int) -> None:
        """Write to the loggers now, rather than when Lightning logs next."""
        for logger in self.loggers:
            logger.log_metrics(values, step=step)

    def setup(self, stage: str) -> None:
        """Check the data; take weights from a checkpoint of another run, if this run is new."""
        if stage == "fit" and self.init_from is not None and self.trainer.ckpt_path is None:
            taken = warm_start(self.network, self.init_from, self.tasks)
            if self.ema is not None:
                self.ema.restart(self.network, self.objectives)
            rank_zero_info(
                f"started from {self.init_from}: front end, backbone, heads {list(taken.taken)}; "
                f"new heads {list(taken.fresh)}"
            )

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Take a step, and average the weights: before any callback saves or scores them."""
        super().optimizer_step(*args, **kwargs)
        if self.ema is not None:
            # Lightning has not counted this step yet.
            self.ema.update(self.network, self.objectives, num_steps=self.global_step)

    def on_train_start(self) -> None:
        """Freeze the statistics of frozen parts: a run that resumes within an epoch has no `on_train_epoch_start`."""
        keep_statistics(self.frozen)

    def on_train_epoch_end(self) -> None:
        """Log the accuracies over the training examples of the epoch; lower a rate that waits for a plateau."""
        if not self._is_epoch_under_way:  # a run in steps that resumes after a whole epoch ends it again
            return
        self._is_epoch_under_way = False
        for task, metric in self._accuracies():
            value = metric.compute()
            self.log(f"train/{task}/top1", value, logger=False)
            # Lightning would write it after the checkpoint of the epoch: a run killed in between would lose it.
            self._write({f"train/{task}/top1": float(value)}, step=self.global_step - 1)
            metric.reset()
        self._step_plateau()

    def _step_plateau(self) -> None:
        """Step a ReduceLROnPlateau with the value of a whole epoch; Lightning stops the run if there is no value."""
        for config in self.trainer.lr_scheduler_configs:
            value = self.trainer.callback_metrics.get(config.monitor or "")
            if isinstance(config.scheduler, ReduceLROnPlateau) and value is not None and self.trainer.is_last_batch:
                config.scheduler.step(float(value))

    def lr_scheduler_step(self, scheduler: LRSchedulerTypeUnion, metric: Any) -> None:
        """Step, unless it is a ReduceLROnPlateau.

        `on_train_epoch_end` steps that: Lightning would do so after the checkpoint of the epoch, and not at all when a
        run resumes from it.
        """
        if not isinstance(scheduler, ReduceLROnPlateau):
            super().lr_scheduler_step(scheduler, metric)

    def on_validation_epoch_start(self) -> None:
        """Prepare the metrics."""
        for condition in self._conditions():
            condition.prepare(self.device)

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Tensor]:
        """Update losses and metrics of one condition with a batch; return the logits, for callbacks."""
        heard, size = self._heard(batch), len(batch["waveform"])
        logits, losses = self._logits_and_losses(heard, self.objectives)
        self._conditions()[dataloader_idx].update(logits, losses, batch["targets"], size=size)
        if self.ema is not None:
            averaged = self._logits_and_losses(self.ema.heard(heard), self.ema.objectives)
            place = len(self.val_conditions) + dataloader_idx
            self._conditions()[place].update(*averaged, batch["targets"], size=size)
        return logits

    def on_validation_epoch_end(self) -> None:
        """Log `val/{condition}/loss`, `val/{condition}/{task}/loss` and `val/{condition}/{task}/{metric}`."""
        for name, condition in zip(self.shown_conditions, self._conditions(), strict=True):
            for metric, value in condition.compute():
                self.log(f"val/{name}/{metric}", value, prog_bar=metric.endswith("/top1"))
            self.class_rankings |= {(name, task): found for task, found in condition.class_rankings().items()}
            condition.reset()

    on_test_epoch_start = on_validation_epoch_start
    test_step = validation_step
    on_test_epoch_end = on_validation_epoch_end

    def configure_optimizers(self) -> Any:
        """Make optimiser and schedule from the configuration."""
        groups = ParameterGroups(self, self.network, self.group_rules)
        optimizer = self.optimizer(groups.for_optimizer)
        groups.scale_rates(optimizer)
        if self.scale_lr_from_batch is not None:
            scale_rates(optimizer, self.trainer, reference_batch_size=self.scale_lr_from_batch)
        if self.lr_scheduler is None:
            keep_settings(optimizer)
            return with_schedule(optimizer, self.schedule, self.trainer)
        scheduler = self.lr_scheduler(optimizer)
        keep_settings(optimizer, but=set_by(scheduler))
        course: dict[str, Any] = {"scheduler": scheduler, "interval": self.lr_interval}
        if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            course["monitor"] = self._monitor_of(scheduler)
        return {"optimizer": optimizer, "lr_scheduler": course}

    def _monitor_of(self, scheduler: torch.optim.lr_scheduler.ReduceLROnPlateau) -> str:
        if not isinstance(scheduler, ReduceLROnPlateau):
            raise TrainingError(
                "a rate that waits for a plateau needs a value to watch: give `model.lr_scheduler` as "
                "pytorch_lightning.cli.ReduceLROnPlateau, with its `monitor`"
            )
        if self.lr_interval != "epoch":
            raise TrainingError("ReduceLROnPlateau steps at the end of an epoch: `model.lr_interval` must be epoch")
        return scheduler.monitor

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what is needed to rebuild the network, in plain Python."""
        tasks = [asdict(task) | {"labels": list(task.labels)} for task in self.tasks]
        checkpoint[NETWORK_KEY] = describe_network(
            self.network,
            run=self.run_name,
            epoch=self.epochs_completed,
            tasks=tasks,
            started_from=self.init_from or "",
        )

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Reject a checkpoint of another network or other labels before any weight changes."""
        if NETWORK_KEY not in checkpoint:
            raise CheckpointError(f"the checkpoint was not saved by this project's `{program('train', 'fit')}`")
        saved = checkpoint[NETWORK_KEY]
        differences = _differences(saved["network"], self.network.description())
        for task in self.tasks:
            labels = next((other["labels"] for other in saved["tasks"] if other["name"] == task.name), None)
            if labels is not None and list(task.labels) != list(labels):
                differences.append(f"labels of task {task.name}")
        differences += self._state_differences(checkpoint["state_dict"])
        if differences:
            raise CheckpointError(
                "the checkpoint holds another network than the configuration: "
                + "; ".join(differences)
                + ". Resume with the configuration saved next to the checkpoint, or start a new run in another run_dir"
            )

    def _state_differences(self, state: dict[str, Any]) -> list[str]:
        """Describe what else a checkpoint has, or lacks."""
        found = []
        here = {"uncertainty_weighting": self.uncertainty is not None, "ema_decay": self.ema is not None}
        for option, prefix in (("uncertainty_weighting", "uncertainty."), ("ema_decay", "ema.")):
            was_there = any(name.startswith(prefix) for name in state)
            if was_there != here[option]:
                words = (was_there, here[option]) if option == "uncertainty_weighting" else _given(was_there)
                found.append(f"{option} is {words[0]} in the checkpoint, {words[1]} here")
        saved = {name.split(".")[1] for name in state if name.startswith("objectives.")}
        current = {name.split(".")[1] for name in self.state_dict() if name.startswith("objectives.")}
        if saved != current:
            found.append(f"objectives with weights are {sorted(saved)} in the checkpoint, {sorted(current)} here")
        return found

    @property
    def epochs_completed(self) -> int:
        """Number of whole passes over the training data, at any hook from the first step to the last."""
        return passes_completed(self.trainer)


def _given(is_given: bool) -> tuple[str, str]:
    return ("given", "not given") if is_given else ("not given", "given")


def _built(objectives: Sequence[Objective], network: AuditoryNetwork, tasks: Sequence[Task]) -> nn.ModuleDict:
    """Build the objectives for a network, by their names."""
    names = [task.name for task in tasks] + [objective.name for objective in objectives]
    if len(set(names)) < len(names):
        raise TrainingError(f"each task and objective needs a name of its own, got {names}")
    for objective in objectives:
        objective.build(network)
    return nn.ModuleDict({objective.name: objective for objective in objectives})


def _with_weights(tasks: Sequence[Task], loss_weights: dict[str, float]) -> list[Task]:
    unknown = sorted(set(loss_weights) - {task.name for task in tasks})
    if unknown:
        raise TrainingError(
            f"loss_weights names unknown tasks {unknown}; the tasks are {[task.name for task in tasks]}"
        )
    return [replace(task, loss_weight=loss_weights.get(task.name, task.loss_weight)) for task in tasks]


def _differences(saved: Any, current: Any, where: str = "") -> list[str]:
    """Describe where two descriptions differ."""
    if isinstance(saved, dict) and isinstance(current, dict):
        found = []
        for key in dict.fromkeys((*saved, *current)):
            place = f"{where}.{key}".removeprefix(".").replace("init_args.", "")
            found += _differences(saved.get(key), current.get(key), place)
        return found
    return [] if saved == current else [f"{where} is {saved!r} in the checkpoint, {current!r} here"]
