"""What every run does with its directory when it starts: configuration, table of metrics, untrained network."""

import shlex
import sys
from pathlib import Path

import pytorch_lightning as pl
from jsonargparse import Namespace
from pytorch_lightning.cli import LightningArgumentParser

from evaluate.run_folder import CONFIG_FILE
from networks.commands.program import program
from train.display.loggers import start_loggers
from train.run.console_log import ConsoleLog
from train.run.run_directory import (
    EARLIER_CONFIG_FILE,
    LOG_FILE,
    UNTRAINED_CHECKPOINT,
    checkpoints_in,
    durable_file,
)


class SaveRunConfig(pl.Callback):
    """Writes the whole configuration to `config.yaml` in the run directory when training starts or resumes.

    Not earlier: a configuration that is rejected must not replace that of the run. If a run resumes with another
    configuration, the earlier one is kept next to it, named after the step up to which it was used.

    Args:
        parser: Parser of the configuration.
        config: The configuration.
    """

    def __init__(self, parser: LightningArgumentParser, config: Namespace) -> None:
        self.parser, self.config = parser, config

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save on rank 0, whole or not at all."""
        if not trainer.is_global_zero:
            return
        folder = Path(trainer.default_root_dir)
        folder.mkdir(parents=True, exist_ok=True)
        path, text = folder / CONFIG_FILE, self.parser.dump(self.config, skip_none=False).encode()
        earlier = folder / EARLIER_CONFIG_FILE.format(step=trainer.global_step)
        # If a run resumes from the same step several times, the first configuration is that of the steps before.
        if trainer.global_step > 0 and path.exists() and path.read_bytes() != text and not earlier.exists():
            _write(earlier, path.read_bytes())
        _write(path, text)


class StartLoggers(pl.Callback):
    """Lets loggers write, from the step on that training starts from; must come before all that log."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start them."""
        start_loggers(trainer)


class StartLog(pl.Callback):
    """Lets the log of the console write to the run directory, which must exist.

    Args:
        log: The log.
    """

    def __init__(self, log: ConsoleLog) -> None:
        self._console_log = log  # Lightning gives callbacks a method `log`

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start, on rank 0."""
        if trainer.is_global_zero:
            command = program("train", shlex.join(sys.argv[1:]))
            self._console_log.start(Path(trainer.default_root_dir) / LOG_FILE, command)


class SaveUntrained(pl.Callback):
    """Saves the network before its first update, so that curves of later evaluations start there."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save, unless training resumes."""
        if trainer.global_step == 0:
            trainer.save_checkpoint(checkpoints_in(trainer.default_root_dir) / UNTRAINED_CHECKPOINT)


def _write(path: Path, content: bytes) -> None:
    with durable_file(path) as file:
        file.write(content)
