"""The callback in training by two processes, with a process-group time-out shorter than an evaluation."""

import time
from datetime import timedelta

import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.strategies import DDPStrategy
from torch import distributed as dist
from torch.utils.data import DataLoader, TensorDataset

from evaluate.benchmarks import BENCHMARKS
from evaluate.callback.callback import BrainScoreCallback
from evaluate.scoring import table as t
from evaluate.scoring.engine import ScoringEngine
from evaluate.scoring.ranks import Ranks
from evaluate.scoring.score_network import score_network
from evaluate.scoring.shares import Share
from networks import NetworkIdentity

TIMEOUT_S = 4


class Module(pl.LightningModule):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def training_step(self, batch, batch_idx):
        (waveform,) = batch
        return self.network(waveform + torch.randn_like(waveform))["word"].square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.05)


@pytest.fixture
def fit(tmp_path, tiny_network_class, make_benchmark, monkeypatch):
    """Trains an epoch of two steps by two forked processes; gives the last checkpoint."""
    monkeypatch.setitem(BENCHMARKS, "tiny", make_benchmark)
    # A forked process waits for ever for the threads of its parent's OpenMP pool, which it does not have.
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def run(folder, *callbacks):
        pl.seed_everything(3, verbose=False)
        module = Module(tiny_network_class())
        loader = DataLoader(TensorDataset(torch.randn(8, 64)), batch_size=2)
        keep = ModelCheckpoint(tmp_path / folder, filename="last", save_last=False)
        trainer = pl.Trainer(
            max_epochs=1,
            accelerator="cpu",
            devices=2,
            strategy=DDPStrategy(
                process_group_backend="gloo", start_method="fork", timeout=timedelta(seconds=TIMEOUT_S)
            ),
            default_root_dir=tmp_path / folder,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[*callbacks, keep],
        )
        trainer.fit(module, loader)
        return torch.load(tmp_path / folder / "last.ckpt", weights_only=True)

    yield run
    torch.set_num_threads(num_threads)


def on_rank_1(action, original):
    def measure(*args, **kwargs):
        if dist.get_rank() == 1:
            action()
        return original(*args, **kwargs)

    return measure


def fail():
    torch.randn(5)
    raise RuntimeError("rank 1 broke")


@pytest.mark.skipif(not dist.is_gloo_available(), reason="PyTorch is built without gloo")
def test_two_processes_share_the_stages(fit, tmp_path, monkeypatch, tiny_network_class, make_benchmark):
    original = ScoringEngine._measure
    plain = fit("plain")
    monkeypatch.setattr(ScoringEngine, "_measure", on_rank_1(lambda: time.sleep(TIMEOUT_S + 1), original))
    scored = fit("scored", BrainScoreCallback(["tiny"], figures=False, at_start=False, on_error="raise"))
    monkeypatch.setattr(ScoringEngine, "_measure", on_rank_1(fail, original))
    failed = fit("failed", BrainScoreCallback(["tiny"], figures=False))
    monkeypatch.setattr(ScoringEngine, "_measure", original)
    options = {"every_n_steps": 1, "at_start": False, "figures": False, "on_error": "raise"}
    within = fit("within", BrainScoreCallback(["tiny"], **options))

    for name, value in plain["state_dict"].items():
        assert torch.equal(value, scored["state_dict"][name]), name
        assert torch.equal(value, failed["state_dict"][name]), name
        assert torch.equal(value, within["state_dict"][name]), name
    table = t.read_table(tmp_path / "scored" / t.SCORES_FILE)
    network = tiny_network_class()
    network.load_state_dict({k.removeprefix("network."): v for k, v in plain["state_dict"].items()})
    alone = score_network(network, make_benchmark(), identity=NetworkIdentity(run="scored", step=2, epoch=1))
    pd.testing.assert_frame_equal(table, alone, rtol=1e-10)
    by_step = t.read_table(tmp_path / "within" / t.SCORES_FILE)
    assert list(dict.fromkeys(by_step[t.STEP])) == [1, 2]
    last = by_step[by_step[t.STEP] == 2].assign(run="scored").reset_index(drop=True)
    pd.testing.assert_frame_equal(last, table, rtol=1e-10)
    rows = t.read_table(tmp_path / "failed" / t.SCORES_FILE)
    assert list(rows[t.METRIC]) == [t.FAILED] * 2


def test_one_process_needs_no_group():
    ranks = Ranks.connect()
    assert (ranks.rank, ranks.num_ranks, ranks.group) == (0, 1, None)
    assert ranks.together(lambda: 5) == [5]


def test_shares_are_disjoint_and_complete():
    shares = [Share("", rank, 3).of(range(7)) for rank in range(3)]
    assert sorted(item for share in shares for item in share) == list(range(7))
    assert Share("", 2, 3).of(["one"]) == []
