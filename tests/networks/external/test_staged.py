"""Any network with named stages: finding modules and axes, averaging, factories on the command line."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from evaluate import stage_activations
from evaluate.__main__ import main
from evaluate.features.fingerprint import network_fingerprint
from evaluate.features.recording import StageError
from networks import StagedNetwork, load_network, permute_weights
from networks.external.stage_layouts import first_tensor
from networks.external.stage_paths import find_stages
from networks.weights.identity import NetworkIdentity
from networks.weights.sources import SourceError

RATE_HZ, NUM_SAMPLES = 1000, 320


class Toy(nn.Module):
    """Convolution, recurrent layers of both layouts, a transformer, a recurrent cell."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 6, 16, stride=8)
        self.relu = nn.ReLU(inplace=True)
        self.lstm = nn.LSTM(6, 5, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(10, 4)
        layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.cell = nn.LSTMCell(4, 3)
        self.head = nn.Linear(3, 2)

    def forward(self, waveform):
        x = self.relu(self.conv(waveform[:, None]))
        x, _ = self.lstm(x.transpose(1, 2))
        x, _ = self.gru(x.transpose(0, 1))
        x = self.encoder(x.transpose(0, 1))
        h = c = x.new_zeros(len(x), 3)
        for t in range(x.shape[1]):
            h, c = self.cell(x[:, t], (h, c))
        return self.head(h)


def staged(stages=("*", "encoder.layers.*"), module=None, **settings) -> StagedNetwork:
    torch.manual_seed(0)
    module = Toy() if module is None else module
    return StagedNetwork(module, list(stages), sample_rate_hz=RATE_HZ, num_samples=NUM_SAMPLES, **settings)


@pytest.fixture
def sounds() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((7, NUM_SAMPLES)).astype(np.float32)


def test_axes_of_all_kinds_of_stages_are_found():
    assert {stage: str(layout) for stage, layout in staged().layouts.items()} == {
        "conv": "batch features time",
        "relu": "batch features time",
        "lstm": "batch time features",
        "gru": "time batch features",
        "encoder.layers.0": "batch time features",
        "encoder.layers.1": "batch time features",
        "encoder": "batch time features",
        "cell": "calls batch features",
        "head": "batch features",
    }


def test_activations_equal_averages_by_hand(sounds):
    net = staged().eval()
    features = stage_activations(net, sounds, batch_size=3)
    toy = net.module
    with torch.no_grad():
        conv = toy.conv(torch.tensor(sounds)[:, None])
        lstm, _ = toy.lstm(conv.relu().transpose(1, 2))
        gru, _ = toy.gru(lstm.transpose(0, 1))
        encoded = toy.encoder(gru.transpose(0, 1))
        h = c = torch.zeros(7, 3)
        steps = []
        for moment in encoded.unbind(dim=1):
            h, c = toy.cell(moment, (h, c))
            steps.append(h)
    expected = {
        "conv": conv.mean(dim=2),  # not what the ReLU behind it wrote over it
        "relu": conv.relu().mean(dim=2),
        "lstm": lstm.mean(dim=1),
        "gru": gru.mean(dim=0),
        "encoder": encoded.mean(dim=1),
        "cell": torch.stack(steps).mean(dim=0),
        "head": toy.head(h).detach(),
    }
    for stage, values in expected.items():
        np.testing.assert_allclose(features[stage], values.numpy(), rtol=1e-4, atol=1e-6, err_msg=stage)


def test_making_it_changes_nothing_in_the_module():
    toy = Toy().train()
    toy.encoder.eval()
    state = torch.get_rng_state()
    before = {name: tensor.clone() for name, tensor in toy.state_dict().items()}
    StagedNetwork(toy, ["*"], sample_rate_hz=RATE_HZ, num_samples=NUM_SAMPLES)
    assert torch.equal(torch.get_rng_state(), state)
    assert toy.lstm.training
    assert not toy.encoder.training
    assert all(torch.equal(before[name], tensor) for name, tensor in toy.state_dict().items())
    assert all(not module._forward_hooks for module in toy.modules())


class Strided(nn.Module):
    """Hears sounds of at least 400 samples."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(1, 4, 400, 160)

    def forward(self, waveform):
        return self.conv(waveform[:, None])


def test_sounds_that_are_too_short_for_a_module_are_explained():
    settings = {"stages": ["conv"], "sample_rate_hz": 16_000}
    expected = r"num_samples of at least 400 \(0.025 s at 16000 Hz\), got 2 \(0.000125 s .*RuntimeError.*Kernel size"
    with pytest.raises(ValueError, match=expected):
        StagedNetwork(Strided(), num_samples=2, **settings)
    network = StagedNetwork(Strided(), num_samples=16_000, **settings)
    expected = r"shape \(batch, 16000\), 1 s at 16000 Hz, got \(1, 2\)"
    with pytest.raises(ValueError, match=expected):
        network(torch.zeros(1, 2))
    with pytest.raises(ValueError, match="got \\(2,\\)"):
        network(torch.zeros(2))
    assert network(torch.zeros(1, 800)).shape == (1, 4, 3)


class Broken(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, waveform):
        raise RuntimeError("broken at any length")


def test_a_module_that_fails_at_any_length_says_what_it_said():
    with pytest.raises(RuntimeError, match=r"^broken at any length$"):
        StagedNetwork(Broken(), ["layer"], sample_rate_hz=16_000, num_samples=16_000)


def test_copies_and_permuted_copies_have_the_stages(sounds):
    net = staged()
    for other in (copy.deepcopy(net), permute_weights(net, seed=1)):
        assert other.stages == net.stages
        features = stage_activations(other, sounds)
        assert list(features) == list(net.stages)
    assert not np.allclose(features["conv"], stage_activations(net, sounds)["conv"])


class Picture(nn.Module):
    """A picture (B, C, F, N) and a vector, from sounds of one length only."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3, padding=1)
        self.flat = nn.Flatten()

    def forward(self, waveform):
        return {"picture": self.flat(self.conv(waveform.reshape(-1, 1, 10, 32)))}


def test_axes_of_pictures_are_declared_where_the_length_does_not_show_them(sounds):
    with pytest.raises(ValueError, match=r"for example layout=\{'conv': 'batch features features time'\}"):
        staged(["*"], Picture())
    net = staged(["*"], Picture(), layout={"conv": "batch features features time"})
    assert str(net.layouts["flat"]) == "batch features"
    conv = net.module.conv(torch.tensor(sounds).reshape(7, 1, 10, 32)).detach()
    features = stage_activations(net, sounds)
    np.testing.assert_allclose(features["conv"], conv.mean(dim=3).flatten(1).numpy(), rtol=1e-5, atol=1e-6)
    assert features["flat"].shape == (7, 960)
    declared = staged(["*"], net.module, layout={"conv": "batch features time features"})
    expected = conv.mean(dim=2).flatten(1).numpy()
    np.testing.assert_allclose(stage_activations(declared, sounds)["conv"], expected, rtol=1e-5, atol=1e-6)


class Sequence(nn.Module):
    """(B, N, D) from sounds of one length only."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(10, 4)

    def forward(self, waveform):
        return self.layer(waveform.reshape(-1, 32, 10))


def test_axes_that_cannot_be_found_must_be_declared(sounds):
    with pytest.raises(
        ValueError, match=r"which axis of stage 'layer' is time.*\(2, 32, 4\).*layout=\{'layer': 'batch"
    ):
        staged(["layer"], Sequence())
    for layout in ("batch time features", {"lay*": " batch  time features"}):
        net = staged(["layer"], Sequence(), layout=layout)
        assert str(net.layouts["layer"]) == "batch time features"
    features = stage_activations(staged(["layer"], Sequence(), layout="batch features features"), sounds)
    assert features["layer"].shape == (7, 128)
    for layout, message in (
        ("time batch features", r"layout=\{'layer': 'time batch features'\}: expected 2 sounds.*\(2, 32, 4\)"),
        ("batch time", r"expected 2 axes, batch time, got an output of shape \(2, 32, 4\)"),
        ({"layer": "batch time features", "later": "batch"}, "declared for 'later', but no stage"),
    ):
        with pytest.raises(ValueError, match=message):
            staged(["layer"], Sequence(), layout=layout)


class Twice(nn.Module):
    """A layer that is called twice, one that is not, and one that loses the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.shared, self.unused, self.text, self.total = nn.ReLU(), nn.ReLU(), Text(), Total()

    def forward(self, waveform):
        self.text(waveform)
        return self.total(self.shared(self.shared(waveform)))


class Text(nn.Module):
    def forward(self, waveform):
        return "text"


class Total(nn.Module):
    def forward(self, waveform):
        return waveform.sum()


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ("shared", "'shared' is called 2 times.*'calls batch features'"),
        ("unused", "'unused' is not reached"),
        ("text", "'text' gives no tensor but a str"),
        ("total", r"'total' has no axis for the batch.*\(\)"),
    ],
)
def test_stages_without_one_activation_a_sound_are_refused(stage, message):
    with pytest.raises(ValueError, match=message):
        staged([stage], Twice())


def test_a_list_of_modules_leads_to_what_is_in_it():
    class Listed(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList([nn.Conv1d(1, 2, 8), nn.Conv1d(2, 2, 8)])

        def forward(self, waveform):
            return self.blocks[1](self.blocks[0](waveform[:, None]))

    with pytest.raises(ValueError, match=r"'blocks' is not reached.*; name what is in the list, as 'blocks\.\*'"):
        staged(["block*"], Listed())


def test_all_stages_that_need_an_argument_are_named_at_once():
    with pytest.raises(
        ValueError, match=r"2 stages need `layout`[\s\S]*'shared' is called 2 times[\s\S]*'total' has no axis"
    ) as error:
        staged(["shared", "total"], Twice())
    assert str(error.value).count("\n- ") == 2
    with pytest.raises(ValueError, match=r"matches the stage 'nothing'.*matches the stage 'other\.\*'"):
        staged(["nothing", "shared", "other.*"], Twice())


def test_a_module_that_is_called_again_is_noticed_later_too(sounds):
    net = staged(["conv"])
    forward = net.module.forward
    net.module.forward = lambda waveform: (forward(waveform), forward(waveform))
    with pytest.raises(StageError, match="'conv' was called several times"):
        stage_activations(net, sounds)


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["conv"], ["conv"]),
        (["encoder.layers.*"], ["encoder.layers.0", "encoder.layers.1"]),
        (["encoder.layers.[0]"], ["encoder.layers.0"]),
        (["encoder.layers.?.linear*"], [f"encoder.layers.{i}.linear{j}" for i in (0, 1) for j in (1, 2)]),
        (["**.linear1", "head"], ["encoder.layers.0.linear1", "encoder.layers.1.linear1", "head"]),
        (["[!c]?u"], ["gru"]),
        ({"last": "head", "all": ""}, ["head", ""]),
    ],
)
def test_patterns(patterns, expected):
    found = find_stages(Toy(), patterns)
    assert list(found.values()) == expected
    assert list(found) == (list(patterns) if isinstance(patterns, dict) else expected)


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (["conv", "layer*"], r"'layer\*'; similar or first ones are: encoder.layers"),
        (["convv"], "'convv'.*are: conv"),
        ({"x": "lstmm"}, "'lstmm'.*are: lstm"),
        ([], "at least one stage"),
        ("conv", r"write \['conv'\]"),
    ],
)
def test_patterns_that_match_nothing_are_refused(patterns, message):
    with pytest.raises(ValueError, match=message):
        find_stages(Toy(), patterns)


def test_first_tensor_of_an_output():
    x, y = torch.zeros(1), torch.zeros(2)
    for output in (x, (x, y), [None, x], {"a": x, "b": y}, ((None, (x,)), y)):
        assert first_tensor(output) is x
    assert first_tensor(("a", None)) is None
    assert first_tensor(nn.utils.rnn.pack_sequence([x])) is None


def louder(waveform):
    return 2 * waveform


def test_preprocessing_is_part_of_the_network(sounds):
    plain, louder_net = staged(["conv"]), staged(["conv"], preprocess=louder)
    doubled = stage_activations(louder_net, sounds)
    np.testing.assert_allclose(doubled["conv"], stage_activations(plain, 2 * sounds)["conv"], rtol=1e-6)
    keywords = staged(["conv"], preprocess=lambda waveform: {"waveform": waveform})
    np.testing.assert_array_equal(stage_activations(keywords, sounds)["conv"], stage_activations(plain, sounds)["conv"])
    several = [plain, louder_net, keywords, staged(["relu"])]
    several.append(staged(["conv"], layout="batch features time"))
    assert len({network_fingerprint(net) for net in several}) == 4  # axes that are declared are as those that are found


FACTORY = """
import torch
from torch import nn
from networks import StagedNetwork

class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(1, 8, 64, stride=32)
        self.lstm = nn.LSTM(8, 6, batch_first=True)
        self.cell = nn.GRUCell(6, 5)

    def forward(self, waveform):
        x, _ = self.lstm(self.conv(waveform[:, None]).abs().sqrt().transpose(1, 2))
        h = x.new_zeros(len(x), 5)
        for moment in x.unbind(dim=1):
            h = self.cell(moment, h)
        return h

def make_network():
    return StagedNetwork(Recurrent(), ["*"], sample_rate_hz=4000, num_samples=4000)

def make_nothing():
    return nn.Linear(2, 2)
"""


@pytest.fixture
def factory_file(tmp_path):
    path = tmp_path / "my_networks.py"
    path.write_text(FACTORY)
    return path


def test_a_factory_makes_the_same_network_every_time(factory_file, monkeypatch):
    state = torch.get_rng_state()
    name = f"{factory_file}:make_network"
    one, other = load_network(name), load_network(name)
    assert torch.equal(torch.get_rng_state(), state)
    assert network_fingerprint(one.network) == network_fingerprint(other.network)
    assert one.network.stages == ("conv", "lstm", "cell")
    assert one.identity == NetworkIdentity(run=name, checkpoint=name, kind="external")
    monkeypatch.syspath_prepend(str(factory_file.parent))
    assert load_network("my_networks:make_network").network.stages == ("conv", "lstm", "cell")
    permuted = load_network(f"permuted:{name}:1")
    assert permuted.identity.checkpoint == f"permuted:{name}:1"
    assert network_fingerprint(permuted.network) != network_fingerprint(one.network)


def test_factories_that_cannot_be_used_are_refused(factory_file):
    for name, message in (
        (f"{factory_file}:nothing", "does not define 'nothing'; it defines.*make_network"),
        (f"{factory_file}:make_nothing", "StagedNetwork adds these.* got a function that returns a Linear"),
        ("nowhere.at_all:make", "module 'nowhere.at_all' is not found"),
        (f"{factory_file.parent}/none.py:make", "no such file"),
    ):
        with pytest.raises(SourceError, match=message):
            load_network(name)
    with pytest.raises(SourceError, match="not run here"):
        load_network(f"{factory_file}:make_network", run_factories=False)


def test_a_recurrent_network_is_scored_from_the_command_line(factory_file, shared_dir, tmp_path):
    name = f"{factory_file}:make_network"
    benchmark = str(shared_dir / "data" / "natsound165")
    out = tmp_path / "scores"
    assert main(["score", name, "--benchmark", benchmark, "--out", str(out), "--device", "cpu"]) == 0
    rows = pd.read_csv(out / "scores.csv")
    assert set(rows["checkpoint"]) == {name}
    assert {"conv", "lstm", "cell"} <= set(rows["stage"])
    assert np.isfinite(rows["value"]).all()
