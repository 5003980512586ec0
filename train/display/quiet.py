"""Filters for messages of Lightning that are useless or wrong here, listed one by one; all others are shown.

Of several processes, only the first one shows messages.
"""

import logging
import os
import re
import warnings

_LOGGERS = (
    "lightning_fabric.utilities.distributed",
    "lightning_fabric.utilities.rank_zero",
    "lightning_fabric.utilities.seed",
    "pytorch_lightning.callbacks.early_stopping",
    "pytorch_lightning.trainer.connectors.checkpoint_connector",
    "pytorch_lightning.utilities.rank_zero",
)
_LOGGED = (
    "💡 Tip: For seamless cloud",  # advertisements for litlogger and litmodels
    "\nDetected KeyboardInterrupt, attempting graceful shutdown",  # train.__main__ says what to do
    "`weights_only` was not set, defaulting to `False`",  # shown while saving, where it means: with the optimiser
    "Trainer already configured with model summary callbacks",  # train.display.network_summary
    "TPU available: False",
    "Restoring states from the checkpoint path at",
    "Restored all states from the checkpoint at",  # train.run.continuation says from which step
    "Initializing distributed: GLOBAL_RANK",  # logged by each process; their number is logged afterwards
    "Seed set to",  # in the configuration, also if it was drawn at random
    "`Trainer.fit` stopped:",  # train.display.run_summary says why training ended
)
_WARNED = (
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # in how Lightning uses torch
    # These values are equal on all processes, because torchmetrics computes them over all: `sync_dist=True` would send
    # each one again. Values of a single process are logged with it.
    r"It is recommended to use `self\.log\('(val/.*|train/[^/']*/top1)', \.\.\., sync_dist=True\)`",
    r"GPU available but not used",  # logged in other words
    r"Checkpoint directory .* exists and is not empty",  # true for every run that is resumed; others are rejected
    # Every tenth step of the run is logged, however many an epoch has.
    r"The number of training batches \(\d+\) is smaller than the logging interval",
    # Evaluation does not need the callbacks that saved the checkpoint.
    r"Be aware that when using `ckpt_path`, callbacks used to create the checkpoint need to be provided",
)
_IN_OTHER_WORDS = (
    (re.compile(r"GPU available: False.*"), "on the CPU (there is no GPU that PyTorch can use)"),
    (re.compile(r"GPU available: True \((\w+)\), used: True"), r"on the GPU (\1)"),
    (
        re.compile(r"GPU available: True \((\w+)\), used: False"),
        r"on the CPU, although there is a GPU (\1): see --trainer.accelerator",
    ),
    (re.compile(r"Loaded model weights from the checkpoint at (.*)"), r"weights are those of \1"),
)
"""What is shown in place of messages."""
_RANK_VARIABLES = ("RANK", "LOCAL_RANK", "SLURM_PROCID")
"""In the order in which Lightning reads them."""
_RANK_PREFIX = re.compile(r"\[rank: (\d+)\] ")
_CONNECTED = re.compile(r"distributed_backend=(\w+)\n.*Starting with (\d+) processes", re.DOTALL)


def leave_out_noise() -> None:
    """Filter these messages from logs and warnings; calling this again changes nothing."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_is_of_use)
    for message in _WARNED:
        warnings.filterwarnings("ignore", message=message)
    if rank() != 0:
        warnings.filterwarnings("ignore")  # the first process shows the same ones; every process shows errors


def _is_of_use(record: logging.LogRecord) -> bool:
    """Whether to show a record; removes its decoration, and says it in other words."""
    message = record.getMessage()
    if (_RANK_PREFIX.sub("", message)).startswith(_LOGGED):
        return False
    for pattern, words in _IN_OTHER_WORDS:
        if match := pattern.fullmatch(message):
            record.msg, record.args = match.expand(words), ()
            return True
    if prefix := _RANK_PREFIX.match(message):
        record.msg, record.args = message[prefix.end() :], ()
        return int(prefix[1]) == 0
    if connected := _CONNECTED.search(message):
        record.msg, record.args = f"{connected[2]} processes are connected (by {connected[1]})", ()
        return connected[2] != "1"
    return True


def rank() -> int:
    """Return the rank of this process, even before processes are connected."""
    number = next((os.environ[name] for name in _RANK_VARIABLES if name in os.environ), "0")
    return int(number) if number.strip().isdecimal() else 0  # train.cli.launchers reports what is no number
