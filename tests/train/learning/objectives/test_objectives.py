"""Losses without labels: against plain references, and as functions of seed, epoch and position."""

import numpy as np
import pytest
import torch

from networks import AuditoryNetwork, CochCNN9, Cochleagram
from train.errors import TrainingError
from train.learning.objectives import Contrastive, Heard, MaskedPatches
from train.learning.objectives.contrastive import contrastive_loss
from train.learning.objectives.draws import random_bits

FRONT_END = {
    "sample_rate_hz": 2000,
    "num_samples": 800,
    "num_filters": 8,
    "sample_factor": 1,
    "high_hz": 1000.0,
    "frame_rate_hz": 50.0,
    "num_taps": 81,
}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return AuditoryNetwork(CochCNN9(width=0.05, initialization="kaiming"), {}, Cochleagram(**FRONT_END)).eval()


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    waveforms = torch.from_numpy(rng.standard_normal((2, 6, 800)).astype(np.float32))
    draw = torch.tensor([[epoch, position] for epoch in (0, 7) for position in range(3)])
    return {"waveform": waveforms[0], "second_crop": waveforms[1], "draw": draw}


def rows(batch, chosen):
    return {name: values[chosen] for name, values in batch.items()}


def test_a_network_without_heads_has_features_and_stages(network, batch):
    assert network(batch["waveform"]) == {}
    assert network.features(batch["waveform"]).shape == (6, network.num_features)


def test_the_contrastive_loss_is_that_of_its_equation():
    generator = torch.Generator().manual_seed(0)
    first, second = torch.nn.functional.normalize(torch.randn(2, 5, 4, generator=generator), dim=2)
    every = torch.cat([first, second]).double()
    expected = []
    for i in range(10):
        others = [k for k in range(10) if k != i]
        similar = [(every[i] @ every[k] / 0.2).exp() for k in others]
        expected.append(-((every[i] @ every[(i + 5) % 10] / 0.2).exp() / sum(similar)).log())
    found = contrastive_loss(first, second, first, second, temperature=0.2)
    assert float(found["loss"]) == pytest.approx(float(torch.stack(expected).mean()), rel=1e-5)
    assert float(found["chance"]) == pytest.approx(1 / 9)
    parts = [
        contrastive_loss(first[part], second[part], first, second, temperature=0.2, offset=part.start)["loss"]
        for part in (slice(0, 2), slice(2, 5))
    ]
    assert float((2 * parts[0] + 3 * parts[1]) / 5) == pytest.approx(float(found["loss"]), rel=1e-5)


def test_crops_of_a_sound_are_told_from_others(network, batch):
    objective = Contrastive()
    objective.build(network)
    tones = torch.sin(torch.outer(torch.tensor([0.2, 0.5, 0.8, 1.2, 1.7, 2.3]), torch.arange(800.0)))
    same = objective(Heard(network, batch | {"waveform": tones, "second_crop": tones.flip(1)}))
    assert float(same["top1"]) == 1.0
    with pytest.raises(TrainingError, match=r"set `data\.second_crop` to true"):
        objective(Heard(network, {"waveform": batch["waveform"]}))


def test_random_numbers_depend_on_seed_epoch_and_position_alone():
    draw = torch.tensor([[0, 0], [0, 1], [1, 0], [3, 12_345]])
    bits = random_bits(draw, 1000, seed=5)
    assert torch.equal(bits[[2, 0]], random_bits(draw[[2, 0]], 1000, seed=5))
    assert not torch.equal(bits, random_bits(draw, 1000, seed=6))
    assert bits.unique().numel() == bits.numel()
    assert random_bits(draw, 2, seed=2**64 - 1).shape == (4, 2)
    shares = torch.stack([(bits >> place) & 1 for place in range(64)]).double().mean(dim=(1, 2))
    assert float((shares - 0.5).abs().max()) < 0.05
    assert abs(np.corrcoef(bits.double().numpy())[0, 1:]).max() < 0.15


def test_masked_patches_are_drawn_for_each_example_and_predicted(network, batch):
    torch.manual_seed(1)
    objective = MaskedPatches(patch_bands=3, patch_frames=4, masked_fraction=0.5, num_hidden=16)
    objective.build(network)
    assert (objective.stage, objective.grid, objective.num_masked) == ("avgpool", (4, 5), 10)
    whole = objective(Heard(network, batch, seed=1))
    assert 0.5 < whole["loss"].item() < 3
    parts = [objective(Heard(network, rows(batch, part), seed=1))["loss"].item() for part in (slice(0, 3), slice(3, 6))]
    assert sum(parts) / 2 == pytest.approx(whole["loss"].item(), rel=1e-5)
    assert objective(Heard(network, batch, seed=2))["loss"].item() != whole["loss"].item()
    whole["loss"].backward()
    assert all(parameter.grad is not None for parameter in (*network.parameters(), *objective.parameters()))
    network.zero_grad()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"masked_fraction": 1.0}, "masked_fraction must be between 0 and 1"),
        ({"stage": "relufc"}, "expected a stage with a map .* got 'relufc'; those are relu0, .*avgpool"),
        ({"patch_bands": 100, "patch_frames": 100}, "1 of 1 patches of .* would be masked"),
        ({"name": "a.b"}, r"name must be non-empty, without '\.' and '/'"),
        ({"loss_weight": -1.0}, "loss_weight must be at least 0"),
    ],
)
def test_settings_of_masks_that_cannot_be(network, settings, message):
    with pytest.raises(TrainingError, match=message):
        MaskedPatches(**settings).build(network)
