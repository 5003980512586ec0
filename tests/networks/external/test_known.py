"""`external_network`: known networks and those of users, with weights of every form."""

import numpy as np
import pytest
import torch

from evaluate import stage_activations
from evaluate.features.fingerprint import network_fingerprint
from networks import CheckpointError, external_network
from networks.external.known import EXTERNAL_NETWORKS
from networks.named_objects import load_object
from tests.networks.external.test_speech_models import LAYERS, TORCHAUDIO

OWN = """
import torch
from torch import nn
from networks import StagedNetwork


def make_network(weights=None, *, gain=1.0, channels=3):
    module = nn.Sequential(nn.Unflatten(1, (1, -1)), nn.Conv1d(1, channels, 4, stride=2))
    if weights is not None:
        module.load_state_dict(weights if isinstance(weights, dict) else torch.load(weights, weights_only=True))
    return StagedNetwork(module, ["1"], sample_rate_hz=1000, num_samples=400, gain=gain)


def without_arguments():
    return make_network()


def no_network(weights=None):
    return nn.Linear(2, 3)


NUMBER = 3
"""


@pytest.fixture
def own(tmp_path, monkeypatch) -> str:
    (tmp_path / "my_networks.py").write_text(OWN)
    return f"{tmp_path / 'my_networks.py'}:make_network"


@pytest.fixture
def sounds() -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal((2, 400))).astype(np.float32)


@pytest.mark.parametrize("name", EXTERNAL_NETWORKS)
def test_every_known_name_has_a_builder(name):
    assert callable(load_object(EXTERNAL_NETWORKS[name]))


def test_a_known_network_takes_a_state_dict_a_file_or_a_folder(tmp_path):
    pytest.importorskip("transformers", reason="the extra 'models' is not installed")
    sizes = LAYERS | {"max_length": 64}
    torch.manual_seed(0)
    untrained = external_network("AST", **sizes)
    assert not untrained.training
    weights = untrained.module.state_dict()
    torch.save(weights, tmp_path / "ast.pt")
    untrained.module.save_pretrained(tmp_path / "ast")
    made = [
        external_network("AST", weights, **sizes),
        external_network("AST", tmp_path / "ast.pt", **sizes),
        external_network("AST", str(tmp_path / "ast")),
    ]
    for network in made:
        assert network.stages == untrained.stages
        assert all(torch.equal(weights[key], value) for key, value in network.module.state_dict().items())
    weights.pop("layernorm.weight", None)
    assert len(weights["classifier.dense.bias"]) == 527
    with pytest.raises(CheckpointError, match="state dict: weights of another architecture than ASTModel"):
        external_network("AST", {"layernorm.bias": torch.zeros(16)}, **sizes)
    with pytest.raises(FileNotFoundError, match=r"expected a folder with AST's config\.json"):
        external_network("AST", tmp_path / "nothing")


def test_torchaudios_network_without_weights():
    network = external_network("TorchaudioWav2Vec2", **TORCHAUDIO, num_samples=8000)
    assert network.stages == ("conv0", "conv1", "projection", "layer0", "layer1")
    assert network.num_samples == 8000
    with pytest.raises(CheckpointError, match="state dict: expected weights of torchaudio's Wav2Vec2"):
        external_network("TorchaudioWav2Vec2", {"weight": torch.zeros(1)})


def test_a_function_of_the_user_takes_weights_gain_and_settings(own, sounds, tmp_path):
    network = external_network(own, channels=5)
    weights = network.module.state_dict()
    torch.save(weights, tmp_path / "own.pt")
    features = stage_activations(network, sounds)["1"]
    assert features.shape == (2, 5)
    for given in (weights, tmp_path / "own.pt"):
        np.testing.assert_array_equal(
            stage_activations(external_network(own, given, channels=5), sounds)["1"], features
        )


def test_the_gain_is_a_factor_on_the_waveforms_and_part_of_the_fingerprint(own, sounds):
    network = external_network(own)
    quieter = external_network(own, network.module.state_dict(), gain=0.1)
    expected = stage_activations(network, np.float32(0.1) * sounds)["1"]
    np.testing.assert_allclose(stage_activations(quieter, sounds)["1"], expected, rtol=1e-6)
    assert network_fingerprint(quieter) != network_fingerprint(network)
    same = external_network(own, network.module.state_dict(), gain=1.0)
    assert network_fingerprint(same) == network_fingerprint(network)
    with pytest.raises(ValueError, match="expected a gain above 0, got 0"):
        external_network(own, gain=0.0)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        ("no_network", {}, "to make a network with stages.* got a Linear"),
        ("without_arguments", {"gain": 0.1}, r"does not take these arguments .*'gain'.*builder\(weights, gain=gain"),
        ("NUMBER", {}, "to be a function or class, got a int"),
        ("nothing", {}, "does not define 'nothing'"),
    ],
)
def test_what_a_function_lacks_is_named(own, function, arguments, message):
    name = own.replace("make_network", function)
    with pytest.raises(ValueError, match=message):
        external_network(name, **arguments)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(
        ValueError, match=r"unknown external network 'VGG': expected VGGish, .*AST, .* package\.module:function"
    ):
        external_network("VGG")
