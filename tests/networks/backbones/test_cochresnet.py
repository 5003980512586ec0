"""CochResNet and its published values."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from networks import AuditoryNetwork, CochResNet, CochResNet50, build
from networks.backbones.cochresnet import BasicBlock, Bottleneck
from networks.weights.published import PUBLISHED_HEADS, PUBLISHED_NUM_CLASSES, load_published
from tests.helpers.published_weights import published_file, published_weights

UNITS = {  # published units after averaging over time
    "conv1_relu1": 6784,
    "maxpool1": 3392,
    "layer1": 13568,
    "layer2": 13824,
    "layer3": 14336,
    "layer4": 14336,
    "avgpool": 2048,
}


def recorded_stages(network, run) -> dict[str, torch.Tensor]:
    """Time-averaged activations, by hand."""
    activations = {}
    for stage, module in network.stage_modules().items():
        module.register_forward_hook(
            lambda module, args, out, stage=stage: activations.__setitem__(stage, out.mean(dim=-1).flatten(1).clone())
        )
    with torch.no_grad():
        run()
    return activations


def test_equals_published_stages_and_heads(shared_dir: Path):
    network = AuditoryNetwork(CochResNet50(), PUBLISHED_NUM_CLASSES).eval()
    weights = published_weights(shared_dir / "golden" / "cochresnet50_published_shapes.json")
    load_published(network, published_file(weights))
    with np.load(shared_dir / "golden" / "cochleagram.npz") as sounds:
        cochleagram = torch.tensor(sounds["woman_speaking/cochleagram"])[None]
    logits = {}

    def run() -> None:
        features = network.backbone(cochleagram)
        logits.update({task: head(features)[0].numpy() for task, head in network.heads.items()})

    averaged = {stage: values[0].numpy() for stage, values in recorded_stages(network, run).items()}
    assert {stage: len(value) for stage, value in averaged.items()} == UNITS
    assert tuple(averaged) == network.stages
    with np.load(shared_dir / "golden" / "cochresnet50.npz") as golden:
        for stage, value in averaged.items():
            assert np.linalg.norm(value - golden[stage]) <= 1e-4 * np.linalg.norm(golden[stage]), stage
        for task, head in PUBLISHED_HEADS.items():
            expected = golden[f"final/{head}"]
            assert np.linalg.norm(logits[task] - expected) <= 1e-4 * np.linalg.norm(expected), task


def test_names_and_shapes_are_the_published_ones(shared_dir: Path):
    network = AuditoryNetwork(CochResNet50(), {"word": 2})
    shapes = json.loads((shared_dir / "golden" / "cochresnet50_published_shapes.json").read_text())
    published = {name: tuple(shape) for name, shape in shapes.items() if not name.startswith("fc.")}
    assert {name: tuple(tensor.shape) for name, tensor in network.backbone.state_dict().items()} == published


@pytest.mark.parametrize(
    # Parameters of torchvision's networks of these depths, less two of the three input channels and the 1000 classes.
    ("depth", "num_parameters", "num_features"),
    [
        (18, 11_689_512 - 2 * 64 * 49 - 1000 * 513, 512),
        (34, 21_797_672 - 2 * 64 * 49 - 1000 * 513, 512),
        (50, 25_557_032 - 2 * 64 * 49 - 1000 * 2049, 2048),
        (101, 44_549_160 - 2 * 64 * 49 - 1000 * 2049, 2048),
    ],
)
def test_depths_have_as_many_parameters_as_torchvisions(depth, num_parameters, num_features):
    with torch.device("meta"):
        backbone = CochResNet(depth=depth)
        features = backbone(torch.zeros(2, 211, 390))
    assert sum(parameter.numel() for parameter in backbone.parameters()) == num_parameters
    assert features.shape == (2, num_features)


@pytest.mark.parametrize("depth", [18, 101])
def test_width_is_a_factor_on_the_channels(depth):
    narrow = CochResNet(depth=depth, width=0.125)
    assert narrow.conv1.out_channels == 8
    assert narrow(torch.randn(2, 32, 40)).shape == (2, 64 * (4 if depth == 101 else 1))


@pytest.mark.parametrize(("block", "stride"), [(BasicBlock, 1), (BasicBlock, 2), (Bottleneck, 1), (Bottleneck, 2)])
def test_blocks_equal_their_equation(block, stride):
    torch.manual_seed(0)
    made = block(4, 4, stride).eval()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
    x = torch.randn(2, 4, 9, 7)
    convolutions = [(made.conv1, made.bn1), (made.conv2, made.bn2)]
    convolutions += [(made.conv3, made.bn3)] if block is Bottleneck else []
    inside = x.clone()
    for number, (convolution, norm) in enumerate(convolutions):
        inside = norm(convolution(inside))
        if number < len(convolutions) - 1:
            inside = inside.clamp(min=0)
    before = x.clone()
    expected = (made.downsample(x) + inside).clamp(min=0)
    torch.testing.assert_close(made(x), expected)
    assert torch.equal(x, before)  # nothing of the input is overwritten
    assert isinstance(made.downsample, nn.Identity) == (stride == 1 and block is BasicBlock)


def test_initialisation_is_kaiming_with_fan_out():
    backbone = CochResNet50()
    weight = backbone.layer3[0].conv2.weight
    assert weight.std().item() == pytest.approx((2 / (9 * 256)) ** 0.5, rel=0.01)
    assert backbone.layer4[2].bn3.weight.eq(1).all()
    assert backbone.layer4[2].bn3.bias.eq(0).all()


@pytest.mark.parametrize("settings", [{"depth": 19}, {"depth": 50, "width": 0.001}])
def test_settings_that_cannot_be_are_refused(settings):
    with pytest.raises(ValueError, match="expected a"):
        CochResNet(**settings)


def test_networks_are_rebuilt_from_their_description():
    for backbone in (CochResNet(depth=18, width=0.125), CochResNet50(width=0.125)):
        again = build(backbone.description())
        assert type(again) is type(backbone)
        assert again.description() == backbone.description()
        assert again.state_dict().keys() == backbone.state_dict().keys()
    assert CochResNet50(width=0.125).description()["init_args"] == {"width": 0.125}
