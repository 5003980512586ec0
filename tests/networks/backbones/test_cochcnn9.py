"""CochCNN9 and the whole network around it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from networks import AuditoryNetwork, Backbone, CochCNN9, Cochleagram, build, load_published
from networks.backbones.same_padding import SameAvgPool2d, SameConv2d, SameMaxPool2d, pad_same, same_padding
from networks.weights.published import PUBLISHED_HEADS, PUBLISHED_NUM_CLASSES
from networks.weights.strict import load_weights
from tests.helpers.published_weights import published_file, published_weights

SMALL_FRONT_END = {
    "sample_rate_hz": 2000,
    "num_samples": 800,
    "num_filters": 8,
    "sample_factor": 1,
    "high_hz": 1000.0,
    "frame_rate_hz": 50.0,
    "num_taps": 81,
}
UNITS = {  # published units after averaging over time
    "relu0": 6816,
    "maxpool0": 3456,
    "relu1": 4608,
    "maxpool1": 2304,
    "relu2": 4608,
    "relu3": 9216,
    "relu4": 4608,
    "avgpool": 2560,
    "relufc": 4096,
}


def small_network(**settings) -> AuditoryNetwork:
    return AuditoryNetwork(CochCNN9(width=0.05, **settings), {"word": 5, "speaker": 3}, Cochleagram(**SMALL_FRONT_END))


def test_equals_published_stages_and_heads(shared_dir: Path):
    network = AuditoryNetwork(CochCNN9(), PUBLISHED_NUM_CLASSES).eval()
    weights = published_weights(shared_dir / "golden" / "cochcnn9_published_shapes.json")
    load_published(network, published_file(weights))

    with np.load(shared_dir / "golden" / "cochleagram.npz") as sounds:
        cochleagram = torch.tensor(sounds["woman_speaking/cochleagram"])[None]
    activations = {}
    for stage, module in network.stage_modules().items():
        module.register_forward_hook(lambda module, args, out, stage=stage: activations.__setitem__(stage, out))
    with torch.no_grad():
        features = network.backbone(cochleagram)
        logits = {task: head(features)[0].numpy() for task, head in network.heads.items()}
    averaged = {
        stage: (value.mean(dim=-1).flatten() if value.ndim == 4 else value[0]).numpy()
        for stage, value in activations.items()
    }
    assert {stage: len(value) for stage, value in averaged.items()} == UNITS
    assert tuple(averaged) == network.stages
    with np.load(shared_dir / "golden" / "cochcnn9.npz") as golden:
        for stage, value in averaged.items():
            assert np.linalg.norm(value - golden[stage]) <= 1e-4 * np.linalg.norm(golden[stage]), stage
        for task, head in PUBLISHED_HEADS.items():
            expected = golden[f"final/{head}"]
            assert np.linalg.norm(logits[task] - expected) <= 1e-4 * np.linalg.norm(expected), task


@pytest.mark.parametrize(("size", "kernel", "stride"), [(211, 7, 3), (390, 14, 3), (18, 2, 2), (65, 5, 2), (5, 2, 1)])
def test_same_padding_gives_ceil_of_size_over_stride(size, kernel, stride):
    before, after = same_padding(size, kernel, stride)
    assert 0 <= after - before <= 1
    assert (size + before + after - kernel) // stride + 1 == -(-size // stride)


def test_same_layers_equal_padding_by_hand():
    x = torch.randn(2, 1, 9, 10, generator=torch.Generator().manual_seed(0))
    conv = SameConv2d(1, 3, (4, 3), (2, 1))
    padded = nn.functional.pad(x, (1, 1, 1, 2))
    torch.testing.assert_close(conv(x), nn.functional.conv2d(padded, conv.weight, stride=(2, 1)))
    low = nn.functional.pad(x, (1, 2, 0, 1), value=-1e9)
    torch.testing.assert_close(SameMaxPool2d((2, 5), (2, 2))(x), nn.functional.max_pool2d(low, (2, 5), (2, 2)))
    zeros = nn.functional.pad(x, (1, 2, 0, 1))
    torch.testing.assert_close(SameAvgPool2d((2, 5), (2, 2))(x), nn.functional.avg_pool2d(zeros, (2, 5), (2, 2)))


@pytest.mark.parametrize("size", [(211, 390), (17, 40), (9, 10)])
def test_convolution_of_one_channel_equals_the_strided_one(size):
    generator = torch.Generator().manual_seed(0)
    conv = SameConv2d(1, 3, (7, 14), (3, 3)).double()
    x = torch.randn(2, 1, *size, generator=generator, dtype=torch.float64, requires_grad=True)
    plain = nn.functional.conv2d(pad_same(x, (7, 14), (3, 3)), conv.weight, stride=3)
    torch.testing.assert_close(conv(x), plain)
    grads = torch.randn(plain.shape, generator=generator, dtype=torch.float64)
    expected = torch.autograd.grad(plain, [x, conv.weight], grads)
    for value, reference in zip(torch.autograd.grad(conv(x), [x, conv.weight], grads), expected, strict=True):
        torch.testing.assert_close(value, reference)


def test_dense_layer_follows_the_input():
    assert small_network().backbone.fullyconnected.in_features != CochCNN9(width=0.05).fullyconnected.in_features
    for num_samples in (800, 1600):
        front_end = Cochleagram(**SMALL_FRONT_END | {"num_samples": num_samples})
        network = AuditoryNetwork(CochCNN9(width=0.05), {"word": 5}, front_end)
        assert network(torch.randn(2, num_samples))["word"].shape == (2, 5)


def test_multitask_initialization_is_the_published_one():
    batchnorm0 = small_network(multitask_initialization=True).backbone.batchnorm0
    assert batchnorm0.weight.item() == pytest.approx(0.6180)
    assert batchnorm0.bias.item() == pytest.approx(-2.0971)
    assert small_network().backbone.batchnorm0.weight.item() == 1


def test_kaiming_initialization_keeps_the_variance():
    network = AuditoryNetwork(
        CochCNN9(width=0.25, initialization="kaiming"), {"word": 5}, Cochleagram(**SMALL_FRONT_END)
    )
    dense = network.backbone.fullyconnected
    assert dense.weight.std().item() == pytest.approx((2 / dense.in_features) ** 0.5, rel=0.02)
    with pytest.raises(ValueError, match="kaiming"):
        small_network(initialization="xavier")


def test_sizing_the_backbone_leaves_its_mode_and_statistics_alone():
    network = small_network()
    assert all(module.training for module in network.modules())
    assert network.backbone.batchnorm0.num_batches_tracked == 0


@pytest.mark.parametrize("num_classes", [{"word": 0}, {"a.b": 3}])
def test_heads_need_tasks_with_classes_and_usable_names(num_classes):
    with pytest.raises(ValueError, match="at least one"):
        AuditoryNetwork(CochCNN9(width=0.05), num_classes, Cochleagram(**SMALL_FRONT_END))


def test_width_without_channels_is_refused():
    with pytest.raises(ValueError, match="width"):
        CochCNN9(width=0.001)


class Tiny(Backbone):
    """A user's own backbone."""

    stages = ("layer",)

    def __init__(self, *, num_units: int = 4, **more: float) -> None:
        super().__init__()
        self.layer = nn.LazyLinear(num_units)

    def forward(self, cochleagram: torch.Tensor) -> torch.Tensor:
        return self.layer(cochleagram.flatten(1))


def test_a_network_is_rebuilt_from_its_description():
    network = small_network(dropout=0.1)
    again = build(network.description())
    assert again.description() == network.description()
    load_weights(again, network.state_dict(), source="test")
    waveform = torch.randn(2, 800)
    torch.testing.assert_close(again.eval()(waveform)["word"], network.eval()(waveform)["word"])


def test_a_users_own_backbone_is_described_too():
    network = AuditoryNetwork(Tiny(num_units=3, extra=0.5), {"word": 2}, Cochleagram(**SMALL_FRONT_END))
    assert network.backbone.description()["init_args"] == {"num_units": 3, "extra": 0.5}
    assert network.stages == ("layer",)
    with pytest.raises(TypeError, match="plain values"):
        Tiny(extra=object()).description()


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"class_path": "os.system", "init_args": {"command": "true"}}, "derived from networks.Described"),
        ({"class_path": "networks.NoSuch"}, "networks does not define 'NoSuch'"),
        ({"class_path": ""}, "expected package.module.Class"),
        ({"class_path": "networks.CochCNN9", "init_args": {"wdith": 1}}, "does not take"),
    ],
)
def test_only_networks_are_built(description, message):
    with pytest.raises(ValueError, match=message):
        build(description)


def test_weights_of_another_architecture_are_named():
    network = small_network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    weights = network.state_dict()
    weights["backbone.conv0.weight"] = torch.zeros(2, 1, 7, 14)
    weights["extra"] = weights.pop("heads.word.bias")
    with pytest.raises(
        ValueError, match=r"run.ckpt.*missing: heads.word.bias.*unexpected: extra.*conv0.*\(2, 1, 7, 14\)"
    ):
        load_weights(network, weights, source="run.ckpt")
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
