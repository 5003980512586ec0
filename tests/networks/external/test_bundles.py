"""Bundles such as those of `torchaudio.pipelines`, named as `package.module:name`."""

import numpy as np
import pytest
import torch

from evaluate import stage_activations
from networks.named_objects import load_object
from networks.weights.source_names import SourceError
from networks.weights.sources import load_network
from tests.networks.external.test_speech_models import TORCHAUDIO

CODE = f"""
import torch
import torchaudio


class RandomBundle(torchaudio.pipelines.Wav2Vec2Bundle):
    \"\"\"As in torchaudio, with random weights instead of those that it downloads.\"\"\"

    def _get_state_dict(self, dl_kwargs):
        torch.manual_seed(7)
        return torchaudio.models.wav2vec2_model(**self._params).state_dict()


PARAMS = {TORCHAUDIO!r}
BUNDLE = RandomBundle("weights.pth", PARAMS, 16_000, True, "Wav2Vec2")
ASR = RandomBundle("weights.pth", PARAMS | {{"aux_num_out": 29}}, 16_000, False, "Wav2Vec2")


class NoModel:
    sample_rate = 16_000

    def get_model(self):
        return "wav2vec2"


class ThreeChannels(NoModel):
    def get_model(self):
        return torch.nn.Sequential(torch.nn.Conv1d(3, 4, 8), torch.nn.ReLU())


NO_MODEL, CHANNELS = NoModel(), ThreeChannels()
"""


@pytest.fixture
def module(tmp_path):
    (tmp_path / "bundles_of_mine.py").write_text(CODE)
    return tmp_path / "bundles_of_mine.py"


@pytest.mark.parametrize("name", ["BUNDLE", "ASR"])
def test_layers_of_a_bundle_are_what_torchaudio_extracts(module, name):
    loaded = load_network(f"{module}:{name}")
    network = loaded.network
    assert loaded.identity.kind == "external"
    assert (network.sample_rate_hz, network.num_samples, network.gain) == (16_000, 32_000, 0.1)
    assert network.stages == ("embeddings", "layers.0", "layers.1")
    sounds = (0.1 * np.random.default_rng(0).standard_normal((2, 32_000))).astype(np.float32)
    model = load_object(f"{module}:{name}").get_model()
    with torch.no_grad():
        layers, _ = model.extract_features(torch.tensor(0.1 * sounds))
    features = stage_activations(network, sounds)
    for number, layer in enumerate(layers):
        expected = layer.mean(dim=1).numpy()
        np.testing.assert_allclose(features[f"layers.{number}"], expected, rtol=1e-5, atol=1e-5)
    for control in ("permuted", "untrained"):
        other = load_network(f"{control}:{module}:{name}").network
        assert not np.allclose(stage_activations(other, sounds)["layers.1"], features["layers.1"], atol=1e-3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("NO_MODEL", r"expected get_model\(\) to return a torch\.nn\.Module, got a str"),
        ("CHANNELS", r"Sequential does not take waveforms \(B, T\): "),
    ],
)
def test_bundles_without_a_model_of_waveforms_are_refused(module, name, message):
    with pytest.raises(SourceError, match=message) as raised:
        load_network(f"{module}:{name}")
    assert "\n" not in str(raised.value)
