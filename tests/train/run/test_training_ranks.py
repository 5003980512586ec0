"""Training on two processes is training on one with twice the batch."""

import logging
import os
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from torch import distributed as dist

from tests.helpers.training_processes import start, start_ranks, wait_for
from train.display import training_progress

pytestmark = pytest.mark.skipif(not dist.is_gloo_available(), reason="PyTorch is built without gloo")


def trace(config: dict) -> pd.DataFrame:
    table = pd.read_csv(Path(config["run_dir"]) / "metrics.csv").groupby("step").last()
    return table[[name for name in table if name.startswith("train/") or name.endswith("loss")]]


def test_two_processes_equal_one_with_twice_the_batch(config, tmp_path):
    """Without dropout, which each process draws for itself, and batch statistics, which are of its own examples."""
    optimizer = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.02, "momentum": 0.9}}
    model = config["model"] | {"optimizer": optimizer, "freeze": ["backbone.batchnorm*", "backbone.dropout*"]}
    model["gradient_norms_every_n_steps"] = 3
    trainer = config["trainer"] | {"log_every_n_steps": 1}
    one = config | {"run_dir": str(tmp_path / "one"), "model": model, "trainer": trainer}
    assert wait_for(start(one)) == 0
    two = one | {
        "run_dir": str(tmp_path / "two"),
        "data": config["data"] | {"batch_size": None, "global_batch_size": 6},
        "trainer": trainer | {"devices": 2, "strategy": "ddp"},
    }
    assert [wait_for(process) for process in start_ranks(two)] == [0, 0]
    expected, found = trace(one), trace(two)
    assert len(expected) >= 12
    assert list(found) == list(expected)
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_the_log_of_two_processes_is_as_quiet_as_that_of_one(config, tmp_path, tiny_benchmark):
    """Each process writes to the same file, as under SLURM; Lightning's own lines come from stderr."""
    log = tmp_path / "log"
    log.touch()

    def show_warning(*told: object) -> None:  # pytest keeps them for its own summary
        sys.stderr.write(warnings.formatwarning(*told[:4]))  # type: ignore[arg-type]

    def write_to_file() -> None:
        # However slow the machine is, no line is due between validations.
        training_progress.FIRST_LINE_AFTER_S = training_progress.LINE_EVERY_S = 1e9
        with log.open("a") as file:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        # pytest has put its own in their places, and Lightning has taken those.
        sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
        warnings.showwarning = show_warning
        for name in ("pytorch_lightning", "lightning_fabric"):
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = [logging.StreamHandler()], False

    def lines_of(settings: dict, num_ranks: int) -> list[str]:
        log.write_text("")
        processes = start_ranks(settings, num_ranks=num_ranks, prepare=lambda rank: write_to_file())
        assert [wait_for(process) for process in processes] == [0] * num_ranks
        return [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in log.read_text().splitlines()]

    trainer = config["trainer"] | {"enable_progress_bar": True}
    config |= {"brain": {"benchmarks": ["tiny"], "figures": False}, "trainer": trainer}
    alone = lines_of(config | {"run_dir": str(tmp_path / "alone")}, 1)
    spread = {"run_dir": str(tmp_path / "spread"), "trainer": trainer | {"devices": 2, "strategy": "ddp"}}
    lines = lines_of(config | spread, 2)
    assert len([line for line in alone if line.startswith("Epoch ")]) == 2
    assert len(lines) == len(alone) + 1
    assert [line for line in lines if "connected" in line] == ["2 processes are connected (by gloo)"]
    for noise in ("sync_dist", "[rank: ", "GLOBAL_RANK", "TPU", "-----", "\r", "\x1b"):
        assert not [line for line in lines if noise in line], noise
    words = [line for line in lines if re.search(r"\w", line)]
    assert len(words) == len(set(words))


@pytest.mark.slow
def test_accumulated_batches_equal_one_with_twice_the_batch(config, tmp_path):
    optimizer = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.02, "momentum": 0.9}}
    model = config["model"] | {"optimizer": optimizer, "freeze": ["backbone.batchnorm*", "backbone.dropout*"]}
    one = config | {"run_dir": str(tmp_path / "one"), "model": model}
    assert wait_for(start(one)) == 0
    two = one | {
        "run_dir": str(tmp_path / "two"),
        "data": config["data"] | {"batch_size": None, "global_batch_size": 6},
        "trainer": config["trainer"] | {"accumulate_grad_batches": 2},
    }
    assert wait_for(start(two)) == 0
    validation = [name for name in trace(one) if name.startswith("val/")]
    expected, found = trace(one)[validation].dropna(), trace(two)[validation].dropna()
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), rtol=1e-5, atol=1e-6)
