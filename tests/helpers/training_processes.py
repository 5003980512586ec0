"""Training in forked processes, which tests kill."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import yaml

from tests.helpers.ranks import become_rank, free_port
from train.__main__ import main
from train.learning.module import AuditoryModule

LIMIT_S = 120
KILLED = -signal.SIGKILL


def start(config: dict, *arguments: str, prepare: Callable[[], None] = lambda: None) -> BaseProcess:
    """Run the command in a forked process, with what `prepare` changes in it."""
    path = Path(config["run_dir"]).with_suffix(".yaml")
    path.write_text(yaml.safe_dump(config))

    def run() -> None:
        sys.argv = ["train", "fit", "--config", str(path), *arguments]
        signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background may ignore it
        prepare()
        status = 1
        try:
            main()
            status = 0
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1
        except Exception:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    process = get_context("fork").Process(target=run)
    process.start()
    return process


def wait_for(process: BaseProcess, limit_s: float = LIMIT_S) -> int:
    """Exit status; a process that hangs fails the test."""
    process.join(limit_s)
    if process.exitcode is None:
        process.kill()
        pytest.fail("the run hangs")
    return process.exitcode


def start_ranks(
    config: dict, *arguments: str, num_ranks: int = 2, prepare: Callable[[int], None] = lambda rank: None
) -> list[BaseProcess]:
    """Run the command as torchrun does, one process per rank."""
    port = free_port()

    def joined(rank: int) -> None:
        become_rank(rank, num_ranks, port)
        prepare(rank)

    return [start(config, *arguments, prepare=lambda rank=rank: joined(rank)) for rank in range(num_ranks)]  # type: ignore[misc]


def before_step(number: int, action: Callable[[], None]) -> None:
    """Do something before the n-th training step of the process."""
    step, count = AuditoryModule.training_step, [0]

    def training_step(self, batch, batch_idx):
        count[0] += 1
        if count[0] == number:
            action()
        return step(self, batch, batch_idx)

    AuditoryModule.training_step = training_step
