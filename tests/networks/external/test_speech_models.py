"""Networks of other packages: small random instances, from waveform to score."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
import torch
import torchaudio

from evaluate import components_benchmark, score_network, stage_activations
from networks import CheckpointError, load_network
from networks import external as ready
from networks.external.torchaudio_models import torchaudio_wav2vec2
from networks.installation import InstallationError
from networks.weights.identity import NetworkIdentity
from networks.weights.sources import SourceError, parse_source

LAYERS = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 32}
CONVOLUTIONS = {"conv_dim": (8, 8), "conv_stride": (20, 16), "conv_kernel": (40, 16), "num_feat_extract_layers": 2}
POSITIONS = {"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
TORCHAUDIO = {
    "extractor_mode": "group_norm",
    "extractor_conv_layer_config": [(8, 40, 20), (8, 16, 16)],
    "extractor_conv_bias": False,
    "encoder_embed_dim": 16,
    "encoder_projection_dropout": 0.0,
    "encoder_pos_conv_kernel": 16,
    "encoder_pos_conv_groups": 2,
    "encoder_num_layers": 2,
    "encoder_num_heads": 2,
    "encoder_attention_dropout": 0.0,
    "encoder_ff_interm_features": 16,
    "encoder_ff_interm_dropout": 0.0,
    "encoder_dropout": 0.0,
    "encoder_layer_norm_first": False,
    "encoder_layer_drop": 0.0,
    "aux_num_out": None,
}


def small_ast(folder=None):
    return ready.ast(folder) if folder else ready.ast(**LAYERS, max_length=64)


def small_wav2vec2(folder=None):
    return ready.wav2vec2(folder) if folder else ready.wav2vec2(**LAYERS, **CONVOLUTIONS, **POSITIONS)


def small_speech2text(folder=None):
    sizes = {"d_model": 16, "encoder_layers": 2, "decoder_layers": 1, "conv_channels": 16, "vocab_size": 20}
    sizes |= {f"{part}_ffn_dim": 32 for part in ("encoder", "decoder")}
    return ready.speech2text(folder) if folder else ready.speech2text(**sizes, encoder_attention_heads=2)


SMALL = {
    "AST": (small_ast, ("embeddings", "layer0", "layer1")),
    "Wav2Vec2": (small_wav2vec2, ("conv0", "conv1", "projection", "layer0", "layer1")),
    "Speech2Text": (small_speech2text, ("conv", "layer0", "layer1")),
}


def make(name: str):
    pytest.importorskip("transformers", reason="the extra 'models' is not installed")
    torch.manual_seed(0)
    return SMALL[name][0]()


@pytest.fixture
def sounds() -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal((3, 32_000))).astype(np.float32)


@pytest.mark.parametrize("name", SMALL)
def test_stages_are_averaged_over_time(name, sounds):
    net = make(name)
    assert net.stages == SMALL[name][1]
    features = stage_activations(net, sounds, batch_size=2)
    assert {values.shape for stage, values in features.items() if "conv" not in stage} == {(3, 16)}
    with torch.no_grad():
        inputs = net.preprocess(torch.tensor(sounds))
        output = net.module(**inputs) if isinstance(inputs, dict) else net.module(inputs)
    assert output.last_hidden_state.shape[0] == 3
    if name == "Wav2Vec2":  # the last layer's output is the model's
        expected = output.last_hidden_state.mean(dim=1)
        np.testing.assert_allclose(features["layer1"], expected.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_inputs_equal_the_feature_extractors(name, sounds):
    net = make(name)
    import transformers

    extractor = {
        "AST": lambda: transformers.ASTFeatureExtractor(max_length=64),
        "Wav2Vec2": transformers.Wav2Vec2FeatureExtractor,
        "Speech2Text": transformers.Speech2TextFeatureExtractor,
    }[name]()
    expected = extractor(list(sounds), sampling_rate=16_000, return_tensors="pt")
    inputs = net.preprocess(torch.tensor(sounds))
    values = inputs if torch.is_tensor(inputs) else next(iter(inputs.values()))
    torch.testing.assert_close(values, expected[extractor.model_input_names[0]], rtol=1e-4, atol=1e-4)
    silent = net.preprocess(torch.zeros(1, 32_000))
    assert (silent if torch.is_tensor(silent) else next(iter(silent.values()))).isfinite().all()


@pytest.mark.parametrize("name", ["AST", "Wav2Vec2"])
def test_weights_come_from_a_folder(name, sounds, tmp_path, capfd):
    net = make(name)
    net.module.save_pretrained(tmp_path)
    capfd.readouterr()
    loaded = load_network(f"{name}:{tmp_path}")
    assert "\r" not in capfd.readouterr().err
    assert loaded.identity == NetworkIdentity(
        run=f"{name}:{tmp_path}", checkpoint=f"{name}:{tmp_path}", kind="external"
    )
    before, after = stage_activations(net, sounds), stage_activations(loaded.network, sounds)
    for stage, values in before.items():
        np.testing.assert_array_equal(after[stage], values)
    permuted = load_network(f"permuted:{name}:{tmp_path}:1")
    assert permuted.identity.checkpoint == f"permuted:{name}:{tmp_path}:1"
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(CheckpointError, match=r"weights of \w+Model are missing: .*layers?\.2"):
        load_network(f"{name}:{tmp_path}")


def test_settings_of_the_folders_feature_extractor_are_kept(tmp_path):
    make("AST").module.save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"mean": -5.0, "std": 3.0}))
    assert (small_ast(tmp_path).preprocess.mean, small_ast(tmp_path).preprocess.deviation) == (-5.0, 3.0)
    (tmp_path / "preprocessor_config.json").write_text("{")
    with pytest.raises(CheckpointError, match="expected JSON"):
        small_ast(tmp_path)


def test_folders_that_are_not_there_are_refused_and_nothing_is_downloaded(tmp_path):
    make("AST")
    with pytest.raises(FileNotFoundError, match=r"expected a folder with AST's config\.json"):
        small_ast(tmp_path)
    with pytest.raises(SourceError, match=r"config\.json"):
        load_network(f"AST:{tmp_path}")
    with pytest.raises(SourceError, match="NAME:FOLDER with NAME one of AST"):
        parse_source("AST:some-organisation/some-model")
    with pytest.raises(ValueError, match="a folder or settings, got both"):
        ready.ast(tmp_path, hidden_size=3)


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InstallationError, match=r"pip install 'cochlearn\[models\]'"):
        ready.ast()
    with pytest.raises(SourceError, match="needs the package transformers"):
        load_network("untrained:Wav2Vec2")


def test_torchaudios_network_from_a_file(sounds, tmp_path, monkeypatch):
    torch.manual_seed(0)
    net = torchaudio_wav2vec2(**TORCHAUDIO)
    assert net.stages == SMALL["Wav2Vec2"][1]
    features = stage_activations(net, sounds)
    assert {stage: values.shape for stage, values in features.items()} == {
        stage: (3, 8 if stage.startswith("conv") else 16) for stage in net.stages
    }
    torch.save(net.module.state_dict(), tmp_path / "weights.pth")
    module = sys.modules[torchaudio_wav2vec2.__module__]
    monkeypatch.setattr(module, "_BASE_UNITS", 16)
    monkeypatch.setattr(
        torchaudio.models,
        "wav2vec2_base",
        lambda aux_num_out=None: torchaudio.models.wav2vec2_model(**TORCHAUDIO | {"aux_num_out": aux_num_out}),
    )
    for source in (tmp_path, tmp_path / "weights.pth"):
        loaded = stage_activations(load_network(f"TorchaudioWav2Vec2:{source}").network, sounds)
        np.testing.assert_array_equal(loaded["layer1"], features["layer1"])
    torch.save({"weight": torch.zeros(1)}, tmp_path / "weights.pth")
    with pytest.raises(CheckpointError, match=r"weights\.pth: expected weights of torchaudio's Wav2Vec2"):
        torchaudio_wav2vec2(tmp_path)
    torch.save({}, tmp_path / "more.pt")
    with pytest.raises(FileNotFoundError, match=r"expected one file of weights .* found 2"):
        torchaudio_wav2vec2(tmp_path)


@pytest.fixture(scope="module")
def components(shared_dir):
    return components_benchmark(shared_dir / "data" / "natsound165")


@pytest.mark.parametrize("name", [*SMALL, "TorchaudioWav2Vec2"])
def test_they_are_scored_on_the_components(name, components):
    torch.manual_seed(0)
    net = torchaudio_wav2vec2(**TORCHAUDIO) if name == "TorchaudioWav2Vec2" else make(name)
    rows: pd.DataFrame = score_network(net, components)
    assert set(net.stages) <= set(rows["stage"])
    assert np.isfinite(rows["value"]).all()
    # Even random networks follow the sounds: something of the components is predicted.
    assert rows["value"].max() > 0.2
