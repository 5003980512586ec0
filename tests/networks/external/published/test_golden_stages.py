"""The six published networks: every stage equals the reference values, computed with the authors' software."""

import importlib
import json

import numpy as np
import pytest
import torch

from evaluate import stage_activations
from networks import StagedNetwork, external_network
from networks.external.published.sepformer import Layer, in_chunks
from tests.helpers.golden_weights import golden_weights

# Largest difference over the root mean square of a stage, and of the input.
TOLERANCE = {"DCASE2020": 1e-3}
SLOW = {"VGGish", "SepFormer", "DeepSpeech2"}  # tens of millions of weights
NAMES = ("VGGish", "SepFormer", "DeepSpeech2", "VQVAE", "DCASE2020", "MetricGAN")
NOT_STAGES = ("waveform", "input")


def golden(shared_dir, name: str) -> dict[str, np.ndarray]:
    with np.load(shared_dir / "golden" / f"{name.lower()}.npz") as file:
        return dict(file)


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in NAMES])
def test_stages_equal_the_reference(name, shared_dir):
    expected = golden(shared_dir, name)
    weights = golden_weights(shared_dir / "golden" / f"{name.lower()}_shapes.json")
    net = external_network(name, weights, gain=1.0)
    woman = expected["waveform"]
    noise = 0.1 * np.random.default_rng(0).standard_normal(len(woman)).astype(np.float32)
    features = stage_activations(net, np.stack([noise, woman, np.zeros_like(woman)]))
    stages = {stage: values for stage, values in expected.items() if stage not in NOT_STAGES}
    assert tuple(features) == net.stages == tuple(stages)
    for stage, values in stages.items():
        limit = TOLERANCE.get(name, 1e-4) * np.sqrt((values**2).mean())
        np.testing.assert_allclose(features[stage][1], values, rtol=0, atol=limit, err_msg=stage)
        assert np.isfinite(features[stage]).all()  # silence too


@pytest.mark.parametrize("name", [name for name in NAMES if name != "SepFormer"])
def test_inputs_equal_the_reference(name, shared_dir):
    expected = golden(shared_dir, name)
    preprocess = small(name, gain=1.0).preprocess
    waveforms = torch.stack([torch.tensor(expected["waveform"]), torch.zeros(len(expected["waveform"]))])
    found = preprocess(waveforms).unflatten(0, (2, -1))[0].reshape(expected["input"].shape)
    assert preprocess(waveforms).isfinite().all()
    # The near-empty bands of DCASE2020 hold rounding noise.
    limit = 0.01 if name == "DCASE2020" else 1e-4
    np.testing.assert_allclose(found.numpy(), expected["input"], rtol=0, atol=limit)


SIZES = {
    "VGGish": {"embedding_units": 8},
    "SepFormer": {"num_units": 16, "num_hidden": 24, "num_layers": 2},
    "DeepSpeech2": {"num_units": 6},
    "VQVAE": {"num_units": 12, "num_codes": 7, "code_units": 5},
    "DCASE2020": {"num_units": 6, "num_words": 9},
    "MetricGAN": {"num_units": 5, "num_hidden": 7},
}


def small(name: str, weights=None, **settings) -> StagedNetwork:
    """A network of the same layers with few units."""
    torch.manual_seed(0)
    return external_network(name, weights, **SIZES[name], **settings)


@pytest.mark.parametrize("name", NAMES)
def test_names_and_shapes_are_those_of_the_published_files(name, shared_dir):
    module = getattr(importlib.import_module(f"networks.external.published.{name.lower()}"), name)
    with torch.device("meta"):
        found = {key: list(value.shape) for key, value in module().state_dict().items()}
    assert found == json.loads((shared_dir / "golden" / f"{name.lower()}_shapes.json").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_a_sound_has_the_same_features_in_any_batch(name):
    net = small(name)
    sounds = np.random.default_rng(0).standard_normal((3, net.num_samples)).astype(np.float32)
    together, alone = stage_activations(net, sounds), stage_activations(net, sounds[1:2])
    for stage, values in alone.items():
        # Peak normalisation and logarithms of near-empty bands leave rounding noise.
        np.testing.assert_allclose(together[stage][1:2], values, rtol=1e-3, atol=1e-4, err_msg=stage)


def test_chunks_overlap_by_half_and_cover_every_frame():
    for num_frames in (1, 124, 125, 126, 249, 250, 375, 1999):
        x = torch.arange(1, num_frames + 1, dtype=torch.float32).expand(2, 3, -1)
        chunks = in_chunks(x)
        assert chunks.shape[:3] == (2, 3, 250)
        starts = [125 * number - 125 for number in range(chunks.shape[3])]
        for number, start in enumerate(starts):
            expected = [t + 1 if 0 <= t < num_frames else 0 for t in range(start, start + 250)]
            assert chunks[1, 2, :, number].tolist() == expected
        # Half a chunk of zeros on each side, and at least one frame of zeros more.
        assert num_frames < starts[-1] + 125 <= num_frames + 250
    assert in_chunks(torch.zeros(1, 1, 1999)).shape == (1, 1, 250, 18)


def test_a_layer_of_sepformer_is_a_transformer_layer_of_torch():
    torch.manual_seed(0)
    ours = Layer(16, 24).eval()
    theirs = torch.nn.TransformerEncoderLayer(16, 8, 24, layer_norm_eps=1e-6, batch_first=True, norm_first=True).eval()
    names = {"self_att.att": "self_attn", "pos_ffn.ffn.0": "linear1", "pos_ffn.ffn.3": "linear2"}
    names |= {f"norm{number}.norm": f"norm{number}" for number in (1, 2)}
    for our_name, their_name in names.items():
        theirs.get_submodule(their_name).load_state_dict(ours.get_submodule(our_name).state_dict())
    x = torch.randn(2, 5, 16)
    torch.testing.assert_close(ours(x), theirs(x))


def test_sepformer_averages_over_chunks_and_positions():
    net = small("SepFormer").eval()
    net.num_samples = 4000
    sounds = torch.randn(2, net.num_samples)
    added: dict[str, torch.Tensor] = {}

    def keep(_module, _inputs, output):
        added[f"Encoder_{len(added) + 1}"] = output.detach()

    for dual in net.module.masknet.dual_mdl:
        for part in (dual.intra_mdl, dual.inter_mdl):
            for layer in part.mdl["layers"]:
                layer.pos_ffn["ffn"][3].register_forward_hook(keep)
    features = stage_activations(net, sounds, batch_size=2)
    chunks = in_chunks(net.module.encoder["conv1d"](sounds[:, None])).shape[3]
    assert list(features) == ["Embedding", *added]
    for stage, output in added.items():
        assert output.shape in ((2 * chunks, 250, 16), (2 * 250, chunks, 16))
        expected = output.reshape(2, -1, 16).mean(1)
        np.testing.assert_allclose(features[stage], expected.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "num_samples", "message"),
    [
        ("VGGish", 15_599, "VGGish needs at least 15600 samples, got num_samples=15599"),
        ("VQVAE", 1024, "at least 1025 samples"),
        ("DeepSpeech2", 160, "at least 161 samples"),
        ("DCASE2020", 512, "at least 513 samples"),
        ("SepFormer", 15, "at least 16 samples"),
    ],
)
def test_sounds_that_are_too_short_are_refused_and_the_shortest_are_heard(name, num_samples, message):
    with pytest.raises(ValueError, match=message):
        small(name, num_samples=num_samples)
    shortest = small(name, num_samples=num_samples + 1)
    features = stage_activations(shortest, np.random.default_rng(0).standard_normal((2, num_samples + 1)))
    assert all(np.isfinite(values).all() for values in features.values())


def test_the_level_is_that_of_the_paper_by_default():
    sounds = 0.1 * np.random.default_rng(0).standard_normal((2, 32_000)).astype(np.float32)
    paper, loud = small("VGGish"), small("VGGish", gain=1.0)
    assert paper.gain == 0.1
    expected = stage_activations(loud, np.float32(0.1) * sounds)
    for stage, values in stage_activations(paper, sounds).items():
        np.testing.assert_allclose(values, expected[stage], rtol=1e-4, atol=1e-6)
