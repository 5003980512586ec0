"""Weight decay and rates by parameter."""

import pytest
import torch
from torch import nn

from networks import AuditoryNetwork, CochCNN9, CochResNet
from train.errors import TrainingError
from train.learning.parameter_groups import GroupRules, ParameterGroups, layer_depths
from train.learning.warm_start import take_out_of_training


@pytest.fixture(scope="module")
def network():
    return AuditoryNetwork(CochCNN9(width=0.02), {"word": 3})


def settings_of(network, optimizer, groups):
    """Rate and decay of each parameter by name."""
    groups.scale_rates(optimizer)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    return {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }


def test_parameters_that_do_not_differ_are_given_as_before(network):
    groups = ParameterGroups(nn.ModuleDict({"network": network}), network, GroupRules())
    given = groups.for_optimizer
    assert [id(one) for one in given] == [id(one) for one in network.parameters()]
    (group,) = torch.optim.SGD(given, lr=0.1).param_groups
    assert len(group["params"]) == len(given)


def test_norms_and_biases_are_not_decayed_and_lower_layers_learn_more_slowly(network):
    rules = GroupRules(decay_norms_and_biases=False, layer_rate_decay=0.5, rate_factors={"heads.word": 2.0})
    groups = ParameterGroups(nn.ModuleDict({"network": network}), network, rules)
    found = settings_of(network, torch.optim.AdamW(groups.for_optimizer, lr=1.0, weight_decay=0.1), groups)
    assert found.keys() == dict(network.named_parameters()).keys()
    assert found["heads.word.weight"] == (2.0, 0.1)
    assert found["heads.word.bias"] == (2.0, 0.0)
    assert found["backbone.fullyconnected.weight"] == (0.5, 0.1)
    assert found["backbone.conv4.weight"] == (0.25, 0.1)
    assert found["backbone.conv0.weight"] == (0.5**6, 0.1)
    assert found["backbone.batchnorm0.weight"] == (0.5**6, 0.0)


def test_parts_have_rates_of_their_own_and_frozen_parts_none(network):
    rules = GroupRules(rate_factors={"backbone": 0.1, "backbone.conv*": 0.0})
    take_out_of_training([network.backbone.conv1])
    try:
        groups = ParameterGroups(network, network, rules)
        found = settings_of(network, torch.optim.SGD(groups.for_optimizer, lr=1.0), groups)
    finally:
        network.backbone.conv1.requires_grad_(True)
    assert "backbone.conv1.weight" not in found
    assert (found["backbone.conv0.weight"][0], found["backbone.fullyconnected.bias"][0]) == (0.0, 0.1)
    assert found["heads.word.weight"][0] == 1.0


def test_layers_of_a_resnet_are_its_blocks():
    depths = layer_depths(AuditoryNetwork(CochResNet(depth=18, width=0.1), {"word": 2}))
    assert [depths[f"backbone.{name}."] for name in ("conv1", "bn1", "layer1", "layer4")] == [5, 5, 4, 1]
    assert depths["front_end."] == 6


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"layer_rate_decay": 0.0}, "layer_rate_decay must be above 0"),
        ({"rate_factors": {"backbone": -1.0}}, "the factor of 'backbone' must be at least 0"),
        ({"rate_factors": {"back": 0.1}}, "no parameter is in 'back'; available parts include backbone"),
    ],
)
def test_rules_that_cannot_be_followed(network, rules, message):
    with pytest.raises(TrainingError, match=message):
        ParameterGroups(network, network, GroupRules(**rules))
