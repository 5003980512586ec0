"""Training on two processes is training on one with twice the batch."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from torch import distributed as dist

from tests.train.processes import start, start_ranks, wait_for

pytestmark = pytest.mark.skipif(not dist.is_gloo_available(), reason="PyTorch is built without gloo")


def trace(config: dict) -> pd.DataFrame:
    table = pd.read_csv(Path(config["run_dir"]) / "csv/version_0/metrics.csv").groupby("step").last()
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
