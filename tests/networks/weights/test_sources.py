import sys
import types
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from networks import (
    AuditoryNetwork,
    Backbone,
    CheckpointError,
    CochCNN9,
    Cochleagram,
    SpectroTemporal,
    permute_weights,
    untrained,
)
from networks.weights.checkpoint import NETWORK_KEY, describe_network, save_checkpoint
from networks.weights.identity import NetworkIdentity
from networks.weights.sources import Source, SourceError, load_network, parse_source

SMALL_FRONT_END = {
    "sample_rate_hz": 2000,
    "num_samples": 800,
    "num_filters": 4,
    "sample_factor": 1,
    "high_hz": 1000.0,
    "frame_rate_hz": 50.0,
    "num_taps": 81,
}
TASKS = [{"name": "word", "kind": "one_label", "labels": list("abcdefg")}]


@pytest.fixture(scope="module")
def network() -> AuditoryNetwork:
    return untrained(AuditoryNetwork(CochCNN9(width=0.02), {"word": 7}, Cochleagram(**SMALL_FRONT_END)), seed=9)


@pytest.fixture(scope="module")
def checkpoint(network, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("run") / "last.ckpt"
    content = {
        NETWORK_KEY: describe_network(network, run="my-run", epoch=2, tasks=TASKS),
        "state_dict": {f"network.{name}": tensor for name, tensor in network.state_dict().items()},
        "global_step": 40,
    }
    torch.save(content, path)
    return path


def assert_same_weights(one, other):
    assert list(one.state_dict()) == list(other.state_dict())
    assert all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in one.state_dict().items())


def test_a_checkpoint_is_loaded_as_always(checkpoint, network):
    loaded = load_network(str(checkpoint))
    assert_same_weights(loaded.network, network)
    assert not loaded.network.training
    assert loaded.tasks == TASKS
    assert loaded.identity == NetworkIdentity(run="my-run", checkpoint=str(checkpoint), step=40, epoch=2)


@pytest.mark.parametrize("kind", ["", "permuted:", "untrained:"])
def test_networks_of_a_checkpoint_know_the_names_of_their_classes(checkpoint, kind):
    assert load_network(f"{kind}{checkpoint}").network.class_names == {"word": tuple("abcdefg")}


@pytest.mark.parametrize("name", ["SpectroTemporal", "spectrotemporal"])
def test_the_baseline(name):
    loaded = load_network(name)
    assert isinstance(loaded.network, SpectroTemporal)
    assert not loaded.network.training
    assert loaded.tasks == []
    assert loaded.identity == NetworkIdentity(run="SpectroTemporal", checkpoint="SpectroTemporal", kind="baseline")


@pytest.mark.parametrize(("ending", "seed"), [("", 0), (":0", 0), (":3", 3)])
def test_a_permuted_checkpoint(checkpoint, network, ending, seed):
    loaded = load_network(f"permuted:{checkpoint}{ending}")
    assert_same_weights(loaded.network, permute_weights(network, seed=seed))
    assert not loaded.network.training
    assert loaded.tasks == TASKS
    assert loaded.identity == NetworkIdentity(
        run=f"my-run/last (permuted, seed {seed})",
        checkpoint=f"permuted:{checkpoint}:{seed}",
        step=40,
        epoch=2,
        kind="permuted",
        parent="my-run",
        seed=seed,
    )


@pytest.mark.parametrize(("ending", "seed"), [("", 0), (":3", 3)])
def test_the_untrained_network_of_a_checkpoint(checkpoint, network, ending, seed):
    loaded = load_network(f"untrained:{checkpoint}{ending}")
    assert_same_weights(loaded.network, untrained(network, seed=seed))
    assert not loaded.network.training
    assert loaded.tasks == []
    assert loaded.identity == NetworkIdentity(
        run=f"my-run/last (untrained, seed {seed})",
        checkpoint=f"untrained:{checkpoint}:{seed}",
        kind="untrained",
        parent="my-run",
        seed=seed,
    )


class TinyBackbone(Backbone):
    """A user's own backbone."""

    stages = ("pooled", "dense")

    def __init__(self, *, width: int = 3) -> None:
        super().__init__()
        self.pooled = nn.AdaptiveAvgPool2d(4)
        self.dense = nn.LazyLinear(width)

    def forward(self, cochleagram: Tensor) -> Tensor:
        return self.dense(self.pooled(cochleagram[:, None]).flatten(1))


@pytest.mark.parametrize(("origin", "kind"), [({}, "untrained"), ({"started_from": "before.ckpt"}, "trained")])
def test_step_0_is_untrained_unless_the_run_started_from_weights(network, tmp_path, origin, kind):
    content = {
        NETWORK_KEY: describe_network(network, run="my-run", epoch=0, tasks=TASKS, **origin),
        "state_dict": {f"network.{name}": tensor for name, tensor in network.state_dict().items()},
        "global_step": 0,
        "loops": {},
    }
    torch.save(content, tmp_path / "start.ckpt")
    assert load_network(str(tmp_path / "start.ckpt")).identity.kind == kind


def test_an_untrained_backbone_of_a_users_package(monkeypatch):
    package = types.ModuleType("my_networks")
    package.TinyBackbone = TinyBackbone
    monkeypatch.setitem(sys.modules, "my_networks", package)
    monkeypatch.setattr(TinyBackbone, "__module__", "my_networks")
    state = torch.get_rng_state()
    loaded = load_network("untrained:my_networks.TinyBackbone:2")
    assert torch.equal(torch.get_rng_state(), state)
    assert_same_weights(loaded.network, untrained(AuditoryNetwork(TinyBackbone(), {"word": 794}), seed=2))
    assert (loaded.network.sample_rate_hz, loaded.network.num_samples) == (20_000, 40_000)
    assert loaded.tasks == []
    assert loaded.identity == NetworkIdentity(
        run="TinyBackbone (untrained, seed 2)",
        checkpoint="untrained:my_networks.TinyBackbone:2",
        kind="untrained",
        parent="TinyBackbone",
        seed=2,
    )


def test_an_untrained_backbone_of_ours_by_name(monkeypatch):
    # Only its description is looked at: the network itself has 100 million weights.
    made = []
    monkeypatch.setattr(
        "networks.weights.sources.untrained", lambda what, **options: made.append(what) or untrained_cheaply()
    )
    load_network("untrained:CochCNN9")
    assert made[0] == {"class_path": "networks.backbones.cochcnn9.CochCNN9", "init_args": {}}
    assert made[1]["class_path"] == "networks.auditory_network.AuditoryNetwork"
    assert parse_source("untrained:CochCNN9:2").label == "CochCNN9 (untrained, seed 2)"


def untrained_cheaply() -> CochCNN9:
    return CochCNN9(width=0.02)


def test_names_in_full_are_understood_as_the_same(checkpoint):
    for name in (str(checkpoint), "spectrotemporal", f"permuted:{checkpoint}", f"untrained:{checkpoint}:7"):
        source = parse_source(name)
        assert parse_source(str(source)) == source


def test_colons_and_digits_in_a_file_name_belong_to_it(checkpoint, tmp_path):
    odd = tmp_path / "step:12"
    odd.write_bytes(checkpoint.read_bytes())
    assert parse_source(f"permuted:{odd}") == Source("permuted", str(odd), 0)
    assert parse_source(f"permuted:{odd}:4") == Source("permuted", str(odd), 4)
    assert parse_source(str(odd)) == Source("checkpoint", str(odd))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "nowhere.ckpt",
        "shuffled:nowhere.ckpt",
        "permuted:",
        "permuted:nowhere.ckpt",
        "permuted:SpectroTemporal",
        "permuted:CochCNN9",
        "untrained:nowhere.ckpt:3",
        "untrained:CochCNN8",
        "untrained:",
    ],
)
def test_unknown_names_are_refused_with_what_is_known(name):
    with pytest.raises(SourceError) as error:
        load_network(name)
    for part in (
        repr(name),
        "SpectroTemporal",
        "permuted:CHECKPOINT[:SEED]",
        "untrained:CHECKPOINT[:SEED]",
        "CochCNN9",
    ):
        assert part in str(error.value)


@pytest.mark.parametrize(("form", "change"), [("permuted", "permute"), ("untrained", "draw")])
def test_the_baseline_has_no_weights(form, change):
    with pytest.raises(SourceError, match=f"SpectroTemporal has no weights to {change}"):
        load_network(f"{form}:SpectroTemporal")


@pytest.mark.parametrize(
    ("target", "message"),
    [("nowhere.Backbone", "nowhere"), ("networks.Cochleagram", "expected a backbone, got 'networks.Cochleagram'")],
)
def test_a_class_that_is_no_backbone_is_refused(target, message):
    state = torch.get_rng_state()
    with pytest.raises(SourceError, match=message):
        load_network(f"untrained:{target}")
    assert torch.equal(torch.get_rng_state(), state)


def test_weights_of_another_project_are_refused_with_what_was_expected(tmp_path):
    path = tmp_path / "other.pt"
    torch.save({"encoder.weight": torch.zeros(3)}, path)
    with pytest.raises(
        CheckpointError, match=r"not from this project .*expected published weights, named module"
    ) as error:
        load_network(str(path))
    assert "encoder.weight" in str(error.value)
    assert "It is not a checkpoint saved by `cochlearn fit` either" in str(error.value)
    assert "load_published" not in str(error.value)


@pytest.mark.parametrize("content", ["state", "lightning", "entry"])
def test_weights_of_an_own_network_lead_to_its_function(tmp_path, capsys, content):
    """Wherever they are named: a state dict, a checkpoint of Lightning, an entry of any name."""
    from networks.__main__ import main

    state, path = {"model.norm.weight": torch.zeros(3)}, tmp_path / "own.ckpt"
    torch.save({"state": state, "lightning": {"state_dict": state, "epoch": 3}, "entry": {"net": state}}[content], path)
    with pytest.raises(CheckpointError, match="name that function in place of the file"):
        load_network(str(path))
    for words in (["export", str(path)], ["convert", str(path), str(tmp_path / "out.ckpt")]):
        assert main(words) == 2
        assert "write a function that makes the network, loads these weights" in " ".join(
            capsys.readouterr().err.split()
        )


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    path = tmp_path / "notes.ckpt"
    path.write_text("not a checkpoint")
    for name in (str(path), f"permuted:{path}", f"untrained:{path}"):
        with pytest.raises(CheckpointError, match=r"notes\.ckpt"):
            load_network(name)


@pytest.mark.parametrize(
    ("step", "by_lightning", "kind"), [(0, True, "untrained"), (0, False, "trained"), (9, True, "trained")]
)
def test_a_run_before_its_first_step_is_untrained(network, tmp_path, step, by_lightning, kind):
    path = tmp_path / "any.ckpt"
    save_checkpoint(network, path, run="r", step=step)
    if by_lightning:
        torch.save(torch.load(path) | {"loops": {}}, path)
    assert load_network(str(path)).identity.kind == kind


def test_a_run_directory_is_its_newest_checkpoint(checkpoint, network, tmp_path):
    last = tmp_path / "runs" / "mine" / "checkpoints" / "last.ckpt"
    last.parent.mkdir(parents=True)
    last.write_bytes(checkpoint.read_bytes())
    for place in (tmp_path / "runs" / "mine", last.parent):
        loaded = load_network(str(place))
        assert loaded.identity.checkpoint == str(last)
        assert_same_weights(loaded.network, network)
    for control in ("untrained", "permuted"):
        assert load_network(f"{control}:{tmp_path / 'runs' / 'mine'}:1").identity.kind == control
    for wrong, right in ((last.with_name("lst.ckpt"), last), (tmp_path / "runs" / "mime", tmp_path / "runs" / "mine")):
        for form in ("", "permuted:"):
            with pytest.raises(SourceError) as error:
                load_network(f"{form}{wrong}")
            assert f"did you mean {right}?" in str(error.value)
