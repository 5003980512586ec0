"""Untrained networks of users: every layer draws its weights again."""

import copy

import pytest
import torch
from torch import nn

from networks import load_network
from networks.weights.fresh_weights import reset_weights
from networks.weights.source_names import SourceError

OWN = """
import torch
from torch import nn

from networks import StagedNetwork


def trained():
    torch.manual_seed(7)
    layers = [nn.Unflatten(1, (1, -1)), nn.Conv1d(1, 3, 40, stride=20), nn.BatchNorm1d(3), nn.ReLU()]
    network = nn.Sequential(*layers)
    network[2].running_mean.fill_(5)
    return StagedNetwork(network, stages={"relu": "3"}, sample_rate_hz=16_000, num_samples=1600)


def with_token():
    network = trained()
    network.module.token = nn.Parameter(torch.ones(2))
    return network
"""


class Everything(nn.Module):
    """One of each kind of layer with weights."""

    def __init__(self) -> None:
        super().__init__()
        self.fixed, self.conv = nn.Conv1d(1, 2, 3, bias=False), nn.Conv1d(2, 4, 3)
        self.fixed.weight.requires_grad = False
        self.norm, self.layer_norm, self.embedding = nn.BatchNorm1d(4), nn.LayerNorm(4), nn.Embedding(3, 4)
        self.lstm, self.attention = nn.LSTM(4, 4, num_layers=2), nn.MultiheadAttention(4, 2, add_bias_kv=True)
        self.encoder = nn.TransformerEncoderLayer(4, 2, 8)
        self.register_buffer("window", torch.full((3,), 9.0))


def test_each_layer_is_drawn_again_and_fixed_filters_stay():
    torch.manual_seed(3)
    network = Everything()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(10)
    network.norm.running_mean.fill_(5)
    before = copy.deepcopy(network.state_dict())
    state = torch.get_rng_state()
    fresh = reset_weights(network, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())
    for name, parameter in fresh.named_parameters():
        assert parameter.requires_grad == (name != "fixed.weight")
        assert bool((parameter.abs() < 6).all()) == (name != "fixed.weight"), name
    assert torch.equal(fresh.fixed.weight, network.fixed.weight)
    assert (fresh.window == 9).all()
    assert (fresh.norm.running_mean == 0).all()
    again, other = reset_weights(network, seed=1), reset_weights(network, seed=2)
    assert torch.equal(again.conv.weight, fresh.conv.weight)
    assert not torch.equal(other.conv.weight, fresh.conv.weight)


def test_a_network_that_is_frozen_as_a_whole_is_drawn_again():
    network = nn.Linear(3, 2).requires_grad_(False)
    assert not torch.equal(reset_weights(network).weight, network.weight)


def test_a_module_may_initialise_its_own_layers():
    class Zeros(nn.Sequential):
        def reset_parameters(self) -> None:
            nn.init.zeros_(self[0].weight)

    assert (reset_weights(Zeros(nn.Linear(3, 2))).get_parameter("0.weight") == 0).all()


def test_a_model_of_transformers_is_made_from_its_config():
    transformers = pytest.importorskip("transformers")
    config = transformers.ASTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, max_length=32, num_mel_bins=32
    )
    model = transformers.ASTModel(config)
    fresh = reset_weights(nn.Sequential(model), seed=4)[0]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        expected = transformers.ASTModel(config).state_dict()
    assert all(torch.equal(fresh.state_dict()[name], value) for name, value in expected.items())


def test_weight_normalisation_is_set_to_what_the_layer_draws():
    layer = nn.utils.parametrizations.weight_norm(nn.Conv1d(2, 3, 4), dim=2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        expected = nn.Conv1d(2, 3, 4)
    fresh = reset_weights(layer, seed=5)
    torch.testing.assert_close(fresh.weight, expected.weight)
    torch.testing.assert_close(fresh.bias, expected.bias)


class Doubled(nn.Module):
    """A parametrisation that cannot be inverted."""

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return 2 * weight


def parametrized(layer: nn.Module, parametrization: nn.Module) -> nn.Module:
    return nn.utils.parametrize.register_parametrization(layer, "weight", parametrization)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (nn.ReLU(), "expected a network with weights to initialise, but ReLU has none"),
        (parametrized(nn.Linear(2, 2), Doubled()), "no layer draws initial values of .*original"),
    ],
)
def test_what_no_layer_draws_is_named(network, message):
    with pytest.raises(ValueError, match=message):
        reset_weights(network)


def test_a_function_is_an_untrained_network_by_its_name(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN)
    trained, fresh = (load_network(f"{form}{path}:trained") for form in ("", "untrained:"))
    assert fresh.identity.run == f"{path}:trained (untrained, seed 0)"
    assert (fresh.identity.kind, fresh.identity.parent, fresh.identity.seed) == ("untrained", f"{path}:trained", 0)
    assert fresh.network.stages == trained.network.stages
    assert not fresh.network.training
    assert not torch.equal(fresh.network.module[1].weight, trained.network.module[1].weight)
    assert (fresh.network.module[2].running_mean == 0).all()
    permuted = load_network(f"permuted:untrained:{path}:trained:2:3")
    assert permuted.identity.run.endswith("own.py:trained (untrained, seed 2) (permuted, seed 3)")
    with pytest.raises(SourceError, match=r"untrained:.*own.py:with_token:0': no layer .* module.token: give the mod"):
        load_network(f"untrained:{path}:with_token")
    with pytest.raises(SourceError, match="does not define 'other'; it defines trained, with_token"):
        load_network(f"untrained:{path}:other")
    with pytest.raises(SourceError, match="whose code is not run here"):
        load_network(f"untrained:{path}:trained", run_factories=False)
