import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from networks import AuditoryNetwork, CochCNN9, Cochleagram, permute_weights, untrained
from networks.weights.controls import permutation_indices

SMALL_FRONT_END = {
    "sample_rate_hz": 2000,
    "num_samples": 800,
    "num_filters": 4,
    "sample_factor": 1,
    "high_hz": 1000.0,
    "frame_rate_hz": 50.0,
    "num_taps": 81,
}


class LearnedFrontEnd(Cochleagram):
    """A user's front end with weights and a statistic of its own."""

    def __init__(self) -> None:
        super().__init__(**SMALL_FRONT_END)
        self.gain = nn.Parameter(torch.linspace(1, 2, 7))
        self.register_buffer("front_end_mean", torch.arange(5.0))

    def forward(self, waveform: Tensor) -> Tensor:
        return super().forward(waveform) * self.gain.mean()


@pytest.fixture(scope="module")
def network() -> AuditoryNetwork:
    """A narrow CochCNN9 whose every tensor holds different values."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = AuditoryNetwork(CochCNN9(width=0.02), {"word": 7, "speaker": 3}, LearnedFrontEnd())
        for tensor in net.state_dict().values():
            if tensor.is_floating_point() and tensor.numel() > 1:
                tensor.copy_(torch.rand(tensor.shape) + 0.5)
            elif not tensor.is_floating_point():
                tensor.fill_(12)
    return net.eval()


def test_every_tensor_holds_its_own_values_in_another_order(network):
    permuted = permute_weights(network)
    for name, tensor in permuted.state_dict().items():
        original = network.state_dict()[name]
        assert (tensor.shape, tensor.dtype) == (original.shape, original.dtype)
        torch.testing.assert_close(tensor.flatten().sort().values, original.flatten().sort().values, rtol=0, atol=0)
        if name.startswith("front_end.") or tensor.numel() == 1:
            assert torch.equal(tensor, original), name
        else:
            indices = permutation_indices(name, tensor.numel())
            assert torch.equal(tensor.flatten(), original.flatten()[indices]), name
            assert tensor.numel() < 5 or not torch.equal(tensor, original), name
    assert permuted.backbone.batchnorm1.num_batches_tracked == 12


def test_statistics_of_batch_norms_and_heads_are_permuted_too(network):
    changed = permute_weights(network).state_dict()
    for name in ("backbone.batchnorm2.running_var", "backbone.batchnorm2.bias", "heads.word.weight", "heads.word.bias"):
        assert not torch.equal(changed[name], network.state_dict()[name])


def test_the_network_itself_is_not_changed_and_shares_nothing_with_the_copy(network):
    before = copy.deepcopy(network.state_dict())
    permuted = permute_weights(network)
    for tensor in permuted.state_dict().values():
        tensor.fill_(0)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert not permuted.training
    assert permuted.stages == network.stages
    assert permuted.description() == network.description()


def test_the_seed_decides_and_the_global_generators_do_not(network):
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    first = permute_weights(network, seed=3).state_dict()
    torch.manual_seed(2)
    np.random.seed(2)  # noqa: NPY002
    state = torch.get_rng_state()
    second, other = permute_weights(network, seed=3).state_dict(), permute_weights(network, seed=4).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["backbone.conv1.weight"], other["backbone.conv1.weight"])


def test_permutations_are_these_ones_for_ever():
    np.testing.assert_array_equal(permutation_indices("backbone.conv0.weight", 8), [0, 4, 3, 1, 2, 6, 7, 5])
    np.testing.assert_array_equal(permutation_indices("backbone.conv0.weight", 8, 1), [7, 5, 6, 4, 0, 1, 2, 3])
    assert permutation_indices("backbone.conv0.weight", 100_000)[:4].tolist() == [54817, 50722, 85525, 24949]


def test_permutations_are_uniform_and_differ_between_tensors():
    counts = np.zeros((4, 4))
    for number in range(2000):
        counts[np.arange(4), permutation_indices(f"layer{number}.weight", 4)] += 1
    assert np.abs(counts - 500).max() < 5 * np.sqrt(2000 * 0.25 * 0.75)


def test_the_outputs_stay_finite_and_become_others(network):
    waveform = torch.randn(2, 800, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before, after = network(waveform)["word"], permute_weights(network)(waveform)["word"]
    assert torch.isfinite(after).all()
    assert not torch.allclose(before, after)


def test_nothing_to_permute_and_negative_seeds_are_refused(network):
    with pytest.raises(ValueError, match="Cochleagram has none"):
        permute_weights(Cochleagram(**SMALL_FRONT_END))
    with pytest.raises(ValueError, match="at least 0, got -1"):
        permute_weights(network, seed=-1)


@pytest.mark.parametrize("from_description", [True, False])
def test_untrained_equals_a_new_network_at_that_seed(network, from_description):
    with torch.random.fork_rng():
        torch.manual_seed(5)
        expected = AuditoryNetwork(CochCNN9(width=0.02), {"word": 7, "speaker": 3}, LearnedFrontEnd()).state_dict()
    fresh = untrained(network.description() if from_description else network, seed=5)
    assert fresh.description() == network.description()
    assert list(fresh.state_dict()) == list(expected)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in fresh.state_dict().items())
    assert fresh.backbone.batchnorm1.num_batches_tracked == 0


def test_untrained_leaves_the_global_generator_alone_also_when_it_fails(network):
    state = torch.get_rng_state()
    first, second = untrained(network).state_dict(), untrained(network, seed=1).state_dict()
    with pytest.raises(ValueError, match="does not define 'NoSuchNetwork'"):
        untrained({"class_path": "networks.NoSuchNetwork", "init_args": {}})
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(first["backbone.conv1.weight"], second["backbone.conv1.weight"])


def test_untrained_needs_a_network_that_knows_how_it_was_made():
    with pytest.raises(TypeError, match=r"networks\.Described.*got Linear"):
        untrained(nn.Linear(2, 2))
