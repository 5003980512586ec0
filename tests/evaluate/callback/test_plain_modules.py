"""The callback on any LightningModule: networks in other attributes, wrapped by a function, made late."""

import copy
import logging

import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

from evaluate import BrainScoreCallback
from evaluate.benchmarks import BENCHMARKS
from evaluate.scoring import table as t
from networks import StagedNetwork

STAGES = ("conv0", "conv1")
DIMENSIONALITY = "effective_dimensionality"


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv0 = nn.Conv1d(1, 4, 8, stride=2)
        self.conv1 = nn.Conv1d(4, 4, 8, stride=2)

    def forward(self, waveform):
        return self.conv1(self.conv0(waveform[:, None]).relu()).mean(dim=-1)


def staged(encoder):
    return StagedNetwork(encoder, stages=["conv*"], sample_rate_hz=1000, num_samples=64)


class Plain(pl.LightningModule):
    """A user's training loop, which knows nothing of this project."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.ModuleDict({"encoder": Encoder()})
        self.head = nn.Linear(4, 1)

    def training_step(self, batch, _):
        return self.head(self.backbone["encoder"](batch)).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class WithStages(Plain):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(staged(self.backbone["encoder"]))


class Late(Plain):
    def configure_model(self):
        self.network = staged(self.backbone["encoder"])


def of_encoder(module):
    return staged(module.backbone["encoder"])


@pytest.fixture(autouse=True)
def tiny_benchmark(make_benchmark, monkeypatch):
    monkeypatch.setitem(BENCHMARKS, "tiny", make_benchmark)


@pytest.fixture
def train(tmp_path):
    def run(module, benchmarks=("tiny",), **options):
        pl.seed_everything(0, verbose=False)
        callbacks = [BrainScoreCallback(benchmarks, run_dir=str(tmp_path / "run"), figures=False, **options)]
        trainer = pl.Trainer(
            max_epochs=1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=callbacks,
        )
        trainer.fit(module, DataLoader(torch.randn(8, 64), batch_size=2))
        return callbacks[0]

    return run


FUNCTION = """
from networks import StagedNetwork

def of_encoder(module):
    return StagedNetwork(module.backbone["encoder"], stages=["conv*"], sample_rate_hz=1000, num_samples=64)

def copy_of_encoder(module):
    import copy
    return of_encoder(copy.deepcopy(module))

NOTHING = None
"""


@pytest.fixture
def function_file(tmp_path):
    (tmp_path / "my_networks.py").write_text(FUNCTION)
    return tmp_path / "my_networks.py"


@pytest.mark.parametrize(
    ("module", "place"),
    [(WithStages, "inner.0"), (Plain, of_encoder), (Late, "network"), (Plain, "FILE:of_encoder")],
)
def test_any_module_is_scored_while_it_trains(train, function_file, tmp_path, caplog, module, place):
    if isinstance(place, str):
        place = place.replace("FILE", str(function_file))
    with caplog.at_level(logging.INFO, "pytorch_lightning.utilities.rank_zero"):
        callback = train(module(), metrics=["dimensionality"], network=place)
    folder = tmp_path / "run"
    assert [line for line in caplog.messages if line.startswith("brain scores")] == [
        f"brain scores go to {folder / t.SCORES_FILE}",
        "brain scores at step 0: those of the stages are in the table",
        "brain scores at step 4: those of the stages are in the table",
        f"brain scores are in {folder / t.SCORES_FILE}; `cochlearn report {folder}` makes a page of them",
    ]
    rows = pd.read_csv(tmp_path / "run" / t.SCORES_FILE)
    assert set(rows["step"]) == {0, 4}
    assert set(STAGES) <= set(rows["stage"])
    by_step = rows[(rows["stage"] == "conv1") & (rows["metric"] == DIMENSIONALITY)].set_index("step")["value"]
    assert by_step[0] != by_step[4]
    assert callback.score_names == tuple(f"brain/tiny/dimensionality/{stage}" for stage in STAGES)
    assert callback.values["brain/tiny/dimensionality/conv1"] == by_step[4]


def test_training_is_bitwise_the_same(train):
    pl.seed_everything(0, verbose=False)
    scored = Plain()
    unscored = copy.deepcopy(scored)
    train(scored, network=of_encoder)
    train(unscored, benchmarks=(), network=of_encoder)
    for name, value in unscored.state_dict().items():
        assert torch.equal(scored.state_dict()[name], value)


@pytest.mark.parametrize(
    ("place", "error", "message"),
    [
        (
            "network",
            TypeError,
            r"Plain\.network .* no such attribute; its modules are: backbone, head\. .*StagedNetwork",
        ),
        (
            "backbone.encoder",
            TypeError,
            r"got an Encoder: add stages .*networks\.StagedNetwork\(module\.backbone\.encoder, stages=",
        ),
        (lambda module: 3, TypeError, "expected network=.*lambda.* to return a network with named stages.* got an int"),
        (lambda module: module.nothing, ValueError, r"raised AttributeError: .*'nothing' \(.*test_plain_modules\.py"),
        ("FILE:copy_of_encoder", ValueError, "got others, which training does not change: wrap the module itself"),
        ("FILE:NOTHING", TypeError, "to be a function, got a NoneType"),
        ("FILE:nothing", ValueError, "does not define 'nothing'; it defines of_encoder, copy_of_encoder"),
    ],
)
def test_what_is_no_network_is_explained(train, function_file, place, error, message):
    if isinstance(place, str):
        place = place.replace("FILE", str(function_file))
    with pytest.raises(error, match=message):
        train(Plain(), network=place)
