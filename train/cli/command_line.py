"""The commands fit, validate and test: LightningCLI with a run directory, loggers, checkpoints and brain scores."""

import sys
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import LearningRateMonitor, ModelSummary
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.utilities import rank_zero_info

from datamodules import BalancedSampling
from datamodules.batches.augmentation import AUGMENTATIONS
from datamodules.data_module import AuditoryDataModule
from evaluate.benchmarks import find_benchmark
from evaluate.callback.callback import BrainScoreCallback
from evaluate.callback.metric_schedules import metric_names
from evaluate.metrics import load_metrics
from networks import CochCNN9, Cochleagram, CochResNet, CochResNet50, MelSpectrogram
from networks.commands.program import program
from networks.named_objects import load_object
from train.cli.help_page import HELP_ALL, ShowAllOptions
from train.cli.launchers import check_launcher, devices_to_use
from train.cli.parser import TrainingParser, whole_numbers_first
from train.cli.recipes import PARSER_MODE, register_recipes
from train.display.class_scores import ClassScores
from train.display.epoch_losses import EpochLosses
from train.display.held_out_table import ShowHeldOut
from train.display.loggers import loggers_of
from train.display.network_summary import NetworkSummary
from train.display.pace import Pace
from train.display.page.run_page import RunPage
from train.display.run_summary import RunSummary
from train.display.training_progress import TrainingProgress
from train.learning.linear_probe import LinearProbe
from train.learning.module import AuditoryModule
from train.learning.non_finite import StopWhenNonFinite
from train.learning.objectives import Contrastive, MaskedPatches
from train.learning.schedules import TrainingSchedule, known_limits
from train.run.checkpoints.checkpoint_selection import checkpoint_named, checkpoint_to_evaluate, checkpoint_to_resume
from train.run.checkpoints.checkpoint_writer import AtomicCheckpointIO, remove_partial_checkpoints
from train.run.checkpoints.kept_checkpoints import StepCheckpoints
from train.run.checkpoints.run_checkpoint import RunCheckpoint
from train.run.console_log import ConsoleLog
from train.run.continuation import RankStates, ResumeAfterWholePass
from train.run.early_stopping import StopByBrainScore
from train.run.finished import check_unfinished
from train.run.lightning_internals import subcommand_parser
from train.run.model_export import ExportModel
from train.run.run_callbacks import SaveRunConfig, SaveUntrained, StartLog, StartLoggers
from train.run.run_directory import (
    BEST_PREFIX,
    STEP_NAME,
    check_run_dir,
    checkpoints_in,
)
from train.run.stop_signals import LeaveWhenSaved, StopSignals
from train.run.validate_at_end import ValidateAtEnd

TRAINER_DEFAULTS: dict[str, Any] = {
    "use_distributed_sampler": False,  # the data module distributes examples over ranks itself, exactly
    "log_every_n_steps": 10,
    "num_sanity_val_steps": 0,
}


SUBCOMMANDS = ("fit", "validate", "test")

KNOWN_BY_NAME = (
    *(StopByBrainScore, LinearProbe, Cochleagram, MelSpectrogram, CochCNN9, CochResNet, CochResNet50),
    *(Contrastive, MaskedPatches),
    *map(load_object, AUGMENTATIONS.values()),
    BalancedSampling,
)
"""Classes that a configuration can name without their module, because they are imported here."""


class TrainCLI(LightningCLI):
    """`python -m train {fit,validate,test}`.

    In addition to Lightning's options: `run_dir`, `resume`, `wandb`, `run_page`, `schedule` (length of training and
    course of the learning rate), `brain` (the evaluation callback), `checkpoint` (every n epochs, and the last),
    `best_checkpoint` (by a logged value) and `non_finite` (when to give up).

    Args:
        log: Copies the console to the run directory once training starts; None copies nothing.
        kwargs: As in `LightningCLI`.
    """

    def __init__(self, *, log: ConsoleLog | None = None, **kwargs: Any) -> None:
        self._is_resumed = False
        self._log = ConsoleLog(is_recording=False) if log is None else log
        register_recipes()
        whole_numbers_first()
        super().__init__(
            AuditoryModule,
            AuditoryDataModule,
            save_config_callback=None,  # SaveRunConfig instead, whose place among the callbacks matters
            trainer_defaults=TRAINER_DEFAULTS,
            seed_everything_default=0,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            parser_class=TrainingParser,
            parser_kwargs={
                "prog": program("train", SUBCOMMANDS[0]).removesuffix(f" {SUBCOMMANDS[0]}"),
                "description": __doc__,
                "parser_mode": PARSER_MODE,
                "allow_abbrev": False,
            },
            **kwargs,
        )

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Return fit, validate and test; `cochlearn score` replaces predict."""
        every = LightningCLI.subcommands()
        # If the command line names one, the parsers of the others are left out: each takes a third of a second.
        named = tuple(name for name in SUBCOMMANDS if sys.argv[1:2] == [name])
        return {name: every[name] for name in named or SUBCOMMANDS}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the options named above, and take tasks and conditions from the data."""
        parser.add_argument(HELP_ALL, action=ShowAllOptions, help="Show all options and exit.")
        parser.add_argument("--run_dir", type=str, default="runs/default", help="folder that holds all of this run")
        parser.add_argument(
            "--resume",
            type=bool,
            default=False,
            help="resume the run in run_dir from its newest checkpoint; without a checkpoint, start it, from ckpt_path "
            "if that is given",
        )
        parser.add_argument(
            "--wandb",
            type=str | None,
            default=None,
            help="also log to this Weights & Biases project, as PROJECT or TEAM/PROJECT (offline works)",
        )
        parser.add_argument(
            "--run_page", type=bool, default=True, help="write a page about the run to run_dir/index.html"
        )
        parser.add_class_arguments(TrainingSchedule, "schedule")
        parser.link_arguments("schedule", "model.schedule", apply_on="instantiate")
        parser.add_lightning_class_args(BrainScoreCallback, "brain")
        parser.add_lightning_class_args(StopWhenNonFinite, "non_finite")
        # The best one comes first, so that the checkpoints that a run resumes from know which it is.
        parser.add_lightning_class_args(RunCheckpoint, "best_checkpoint")
        parser.set_defaults(
            {
                "best_checkpoint.filename": BEST_PREFIX + STEP_NAME,
                "best_checkpoint.auto_insert_metric_name": False,
                "best_checkpoint.enable_version_counter": False,
                "best_checkpoint.save_on_train_epoch_end": True,  # after the epoch's brain scores
            }
        )
        parser.add_lightning_class_args(StepCheckpoints, "checkpoint")
        parser.set_defaults(
            {
                "checkpoint.filename": STEP_NAME,
                "checkpoint.auto_insert_metric_name": False,
                "checkpoint.save_top_k": -1,
                "checkpoint.save_last": True,
                "checkpoint.enable_version_counter": False,
                "checkpoint.save_on_train_epoch_end": True,  # after the epoch's brain scores
            }
        )
        parser.link_arguments("data.tasks", "model.tasks", apply_on="instantiate")
        parser.link_arguments("data.condition_names", "model.val_conditions", apply_on="instantiate")
        parser.link_arguments("run_dir", "model.run_name", compute_fn=lambda run_dir: Path(run_dir).name)
        for group in ("checkpoint", "best_checkpoint"):
            parser.link_arguments(
                "run_dir", f"{group}.dirpath", compute_fn=lambda run_dir: str(checkpoints_in(run_dir))
            )
        parser.link_arguments("run_dir", "trainer.default_root_dir")

    def before_instantiate_classes(self) -> None:
        """Decide where to start, before anything is made. Checkpoints are read without running code from them."""
        config = self.config[self.subcommand]
        config.weights_only = True
        if config.data.seed is None:  # Lightning has drawn one by now if `seed_everything` is true
            config.data.seed = int(config.seed_everything)
        self._saved_config = config.clone()
        if not _chooses_launcher(config.trainer.plugins):
            check_launcher()
            trainer = config.trainer
            trainer.devices, trainer.num_nodes = devices_to_use(trainer.devices, trainer.num_nodes)
        # The saved configuration describes the run, not where one of its commands starts.
        self._saved_config.resume, self._saved_config.ckpt_path = False, None
        if self.subcommand != "fit":
            named = config.ckpt_path and checkpoint_named(config.ckpt_path, config.run_dir)
            config.ckpt_path = named or str(checkpoint_to_evaluate(config.run_dir))
            config.verbose = False  # `ShowHeldOut` shows the metrics
            return
        for name in config.brain.benchmarks:  # before data are set up, which takes minutes
            find_benchmark(name)
        load_metrics(metric_names(config.brain.metrics))
        start = checkpoint_to_resume(config.run_dir, resume=config.resume)
        self._is_resumed = start is not None
        check_run_dir(config.run_dir)
        remove_partial_checkpoints(checkpoints_in(config.run_dir))
        if start is not None:
            _check_unfinished(config, start)
        if start is not None:  # a run that resumes does not need the checkpoint that it began with
            config.ckpt_path = str(start)
        elif config.ckpt_path is not None:
            config.ckpt_path = checkpoint_named(config.ckpt_path, config.run_dir)
        if config.resume and config.ckpt_path is None:
            rank_zero_info(f"{config.run_dir} holds no checkpoint to resume from: training starts from the beginning")

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """Add the loggers and callbacks of every run."""
        config = self.config[self.subcommand]
        made = self.config_init[self.subcommand]
        trainer = made.trainer
        is_fit = self.subcommand == "fit"
        writes = is_fit and not config.trainer.fast_dev_run  # a rehearsal leaves nothing behind
        if trainer.get("logger") in (None, True):
            kwargs["logger"] = loggers_of(config.run_dir, config.wandb if writes else None) if is_fit else False
        if is_fit and trainer.get("max_epochs") is None and trainer.get("max_steps", -1) == -1:
            kwargs |= self.model.schedule.trainer_limits(self.datamodule)
        callbacks: list[pl.Callback] = list(trainer.get("callbacks") or [])
        best: RunCheckpoint = made.best_checkpoint
        if best.monitor is None:
            best.monitor = f"val/{self.datamodule.condition_names[0]}/loss"
        callbacks += [pace := Pace(), losses := EpochLosses()]
        if writes and config.run_page:
            callbacks.append(RunPage(pace))
        if is_fit:
            callbacks += [RankStates(), *([SaveUntrained(), ClassScores()] if writes else []), LearningRateMonitor()]
        if trainer.get("enable_progress_bar") is not False:
            callbacks.append(TrainingProgress(pace, losses, note=self._log.note))
        if trainer.get("enable_model_summary") is not False and not any(isinstance(c, ModelSummary) for c in callbacks):
            callbacks.append(NetworkSummary(is_resumed=self._is_resumed))
        if not is_fit:
            callbacks.append(ShowHeldOut())
        stop = StopSignals(note=self._log.note_now)
        if is_fit:
            # The configuration is written before anything else.
            written: list[pl.Callback] = [SaveRunConfig(subcommand_parser(self, "fit"), self._saved_config)]
            saved = [*written, StartLog(self._log), StartLoggers()] if writes else []
            first = [LeaveWhenSaved(stop), ResumeAfterWholePass()]
            callbacks = [*first, *saved, *callbacks, *([RunSummary(losses), ExportModel()] if writes else [])]
        plugins = trainer.get("plugins") or []
        kwargs["plugins"] = [*(plugins if isinstance(plugins, list) else [plugins]), AtomicCheckpointIO()]
        result = super().instantiate_trainer(callbacks=callbacks, **kwargs)
        if is_fit:
            # The last saves what all others did.
            result.callbacks += [ValidateAtEnd(), stop]  # type: ignore[attr-defined]
        return result


def _check_unfinished(config: Any, start: Path) -> None:
    """Check that a run has something left to train, as far as its length is known without the data."""
    limits = {"max_epochs": config.trainer.max_epochs, "max_steps": config.trainer.max_steps}
    is_scheduled = limits == {"max_epochs": None, "max_steps": -1}
    if is_scheduled:
        limits |= known_limits(config.schedule.unit, config.schedule.length)
    check_unfinished(config.run_dir, start, is_scheduled=is_scheduled, **limits)


def _chooses_launcher(plugins: Any) -> bool:
    """Whether the configuration names a cluster environment, so that Lightning looks for none."""
    given = plugins if isinstance(plugins, list) else [plugins]
    return any("Environment" in str(getattr(plugin, "class_path", plugin)) for plugin in given)
