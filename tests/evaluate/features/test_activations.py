import numpy as np
import pytest
import torch
from torch import nn

from evaluate.features.activations import resolve_stages, stage_activations
from evaluate.features.recording import StageError, average_over_time


@pytest.fixture
def sounds():
    return np.random.default_rng(0).standard_normal((7, 64)).astype(np.float32)


def test_features_equal_a_plain_forward_pass_by_hand(tiny_network, sounds):
    net = tiny_network
    features = stage_activations(net, sounds)
    net.eval()
    with torch.no_grad():
        picture = torch.from_numpy(sounds).reshape(7, 1, 8, 8)
        relu = net.norm(net.conv(picture)).relu()
        pooled = net.pool(relu)
        fc = net.fc(pooled.flatten(1)).relu()
    assert list(features) == ["relu0", "pool0", "relufc"]
    for name, expected in (("relu0", relu), ("pool0", pooled)):
        by_hand = np.empty((7, expected.shape[1] * expected.shape[2]), np.float32)
        for channel in range(expected.shape[1]):
            for frequency in range(expected.shape[2]):
                column = channel * expected.shape[2] + frequency
                by_hand[:, column] = expected[:, channel, frequency].numpy().mean(axis=1)
        np.testing.assert_allclose(features[name], by_hand, rtol=1e-5, atol=1e-6)
        assert features[name].dtype == np.float32
    np.testing.assert_allclose(features["relufc"], fc.numpy(), rtol=1e-5, atol=1e-6)


def test_activations_in_time_have_each_stages_own_frames(tiny_network, sounds):
    averaged = stage_activations(tiny_network, sounds)
    in_time = stage_activations(tiny_network, sounds, average=False, batch_size=3)
    assert list(in_time) == list(averaged)
    assert {stage: values.shape[2] for stage, values in in_time.items()} == {"relu0": 8, "pool0": 4, "relufc": 1}
    for stage, values in in_time.items():
        assert values.dtype == np.float32
        np.testing.assert_allclose(values.mean(axis=2), averaged[stage], rtol=1e-5, atol=1e-6)


class InPlace(nn.Module):
    """A stage whose output the next module overwrites."""

    stages, sample_rate_hz, num_samples = ("first",), 20_000, 64

    def __init__(self):
        super().__init__()
        self.first = nn.Identity()

    def stage_modules(self):
        return {"first": self.first}

    def forward(self, waveform):
        return self.first(2 * waveform[:, None]).zero_()


def test_later_modules_that_work_in_place_do_not_matter(sounds):
    found = stage_activations(InPlace(), sounds, average=False)["first"]
    np.testing.assert_array_equal(found, 2 * sounds[:, None])


class AveragesItself(InPlace):
    """A network whose stage returns something else than (B, C, F, N), at every step."""

    stepped_stages = frozenset({"first"})

    def average_stage(self, stage, output):
        return output.mean(dim=-1)

    def forward(self, waveform):
        for step in waveform.unfold(1, 16, 16).unbind(1):
            self.first(step[:, None])


def test_networks_that_average_their_stages_say_where_time_is(sounds):
    with pytest.raises(StageError, match=r"AveragesItself averages .* must also have timed_stage"):
        stage_activations(AveragesItself(), sounds, average=False)
    network = AveragesItself()
    network.timed_stage = lambda stage, output: output
    in_time = stage_activations(network, sounds, average=False)["first"]
    np.testing.assert_array_equal(in_time[:, 0], sounds)  # the four steps in order
    averaged = stage_activations(network, sounds)["first"]
    np.testing.assert_allclose(averaged, in_time.mean(axis=2), rtol=1e-5, atol=1e-6)


def test_average_over_time_leaves_vectors_alone():
    vectors = torch.randn(3, 4, dtype=torch.float64)
    assert torch.equal(average_over_time(vectors), vectors.float())
    assert average_over_time(torch.randn(2, 3, 4, 5)).shape == (2, 12)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
def test_batch_size_does_not_matter(tiny_network, sounds, batch_size):
    one = stage_activations(tiny_network, sounds, batch_size=batch_size)
    all_at_once = stage_activations(tiny_network, sounds, batch_size=7)
    for stage in one:
        np.testing.assert_allclose(one[stage], all_at_once[stage], rtol=1e-5, atol=1e-6)


def test_order_of_sounds_does_not_matter(tiny_network, sounds):
    forward = stage_activations(tiny_network, sounds, batch_size=3)
    backward = stage_activations(tiny_network, sounds[::-1].copy(), batch_size=3)
    for stage in forward:
        np.testing.assert_allclose(forward[stage], backward[stage][::-1], rtol=1e-5, atol=1e-6)


def test_chosen_stages_come_in_the_networks_order(tiny_network, sounds):
    assert list(stage_activations(tiny_network, sounds, stages=["relufc", "relu0"])) == ["relu0", "relufc"]


def test_network_is_left_as_it_was(tiny_network, sounds):
    net = tiny_network.train()
    net.norm.eval()  # a frozen layer in a training network
    before = {name: value.clone() for name, value in net.state_dict().items()}
    stage_activations(net, sounds)
    assert net.training
    assert net.conv.training
    assert not net.norm.training
    assert all(not module._forward_hooks for module in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert torch.is_grad_enabled()


def test_network_is_left_as_it_was_when_it_raises(tiny_network, sounds):
    net = tiny_network.train()
    with pytest.raises(RuntimeError):
        stage_activations(net, np.pad(sounds, ((0, 0), (0, 3))))
    assert net.training
    assert net.dropout.training
    assert all(not module._forward_hooks for module in net.modules())


def test_backends_are_left_as_they_were(tiny_network, sounds):
    before = (torch.backends.cudnn.benchmark, torch.get_float32_matmul_precision())
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    try:
        stage_activations(tiny_network, sounds)
        assert torch.backends.cudnn.benchmark
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.backends.cudnn.benchmark = before[0]
        torch.set_float32_matmul_precision(before[1])


def test_autocast_around_does_not_matter(tiny_network, sounds):
    plain = stage_activations(tiny_network, sounds)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = stage_activations(tiny_network, sounds)
    for stage in plain:
        np.testing.assert_array_equal(plain[stage], inside[stage])


def test_progress_is_told(tiny_network, sounds):
    calls = []
    stage_activations(tiny_network, sounds, batch_size=3, progress=lambda *call: calls.append(call))
    assert calls == [("activations", 3, 7), ("activations", 6, 7), ("activations", 7, 7)]


def test_unknown_stage_is_named_with_the_known_ones(tiny_network, sounds):
    with pytest.raises(StageError, match=r"'conv9'.*relu0, pool0, relufc"):
        stage_activations(tiny_network, sounds, stages=["relu0", "conv9"])
    with pytest.raises(StageError, match="none"):
        resolve_stages(tiny_network, [])


def test_non_finite_activation_names_stage_and_stimulus(tiny_network, sounds):
    with torch.no_grad():
        tiny_network.fc.bias[0] = float("nan")
    with pytest.raises(StageError, match=r"'relufc'.*stimulus 0"):
        stage_activations(tiny_network, sounds)
    features = stage_activations(tiny_network, sounds, stages=["relu0"])
    assert np.isfinite(features["relu0"]).all()


def test_stage_that_is_not_reached_is_named(tiny_network, sounds, monkeypatch):
    modules = tiny_network.stage_modules() | {"pool0": nn.ReLU()}
    monkeypatch.setattr(tiny_network, "stage_modules", lambda: modules)
    with pytest.raises(StageError, match=r"'pool0' was not reached"):
        stage_activations(tiny_network, sounds)


@pytest.mark.parametrize("shape", [(64,), (0, 64), (2, 3, 64)])
def test_wrong_shape_of_waveforms(tiny_network, shape):
    with pytest.raises(ValueError, match="expected \\(stimuli, samples\\)"):
        stage_activations(tiny_network, np.zeros(shape, np.float32))


def test_wrong_batch_size(tiny_network, sounds):
    with pytest.raises(ValueError, match="batch_size"):
        stage_activations(tiny_network, sounds, batch_size=0)


def test_training_goes_on_after_activations(tiny_network, sounds):
    stage_activations(tiny_network, sounds)
    tiny_network(torch.from_numpy(sounds))["word"].sum().backward()
    assert tiny_network.conv.weight.grad is not None
