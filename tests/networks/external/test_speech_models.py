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


def small_ast(folder=None, **settings):
    return ready.ast(folder, **settings) if folder else ready.ast(**LAYERS, max_length=64, **settings)


def small_wav2vec2(folder=None, **settings):
    if folder:
        return ready.wav2vec2(folder, **settings)
    return ready.wav2vec2(**LAYERS, **CONVOLUTIONS, **POSITIONS, **settings)


def small_speech2text(folder=None, **settings):
    sizes = {"d_model": 16, "encoder_layers": 2, "decoder_layers": 1, "conv_channels": 16, "vocab_size": 20}
    sizes |= {f"{part}_ffn_dim": 32 for part in ("encoder", "decoder")} | {"encoder_attention_heads": 2}
    return ready.speech2text(folder, **settings) if folder else ready.speech2text(**sizes, **settings)


ENCODER = ("Embedding", "Encoder_1", "Encoder_2")
SMALL = {
    "AST": (small_ast, (*ENCODER, "Final"), ("embeddings", "layer0", "layer1")),
    "Wav2Vec2": (small_wav2vec2, (*ENCODER, "Final"), ("conv0", "conv1", "projection", "layer0", "layer1")),
    "Speech2Text": (small_speech2text, ENCODER, ("conv", "layer0", "layer1")),
}


def make(name: str, **settings):
    pytest.importorskip("transformers", reason="the extra 'models' is not installed")
    torch.manual_seed(0)
    return SMALL[name][0](**settings)


@pytest.fixture
def sounds() -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal((3, 32_000))).astype(np.float32)


def outputs_of(net, sounds):
    """What the model of transformers returns, with all hidden states."""
    inputs = net.preprocess(torch.tensor(net.gain * sounds))
    with torch.no_grad():
        keywords = inputs if isinstance(inputs, dict) else {"input_values": inputs}
        return net.module(**keywords, output_hidden_states=True)


def assert_stages(features, expected):
    assert list(features) == list(expected)
    for stage, values in expected.items():
        np.testing.assert_allclose(features[stage], values.numpy(), rtol=1e-5, atol=1e-5, err_msg=stage)


def test_the_papers_stages_of_ast_are_what_transformers_computes(sounds):
    net = make("AST")
    shuffle(net.module)
    outputs = outputs_of(net, sounds)
    hidden, logits = outputs.hidden_states[0], outputs.logits
    model = net.module.audio_spectrogram_transformer
    first = model.embeddings
    with torch.no_grad():
        # The embeddings without the two class tokens and the positions.
        expected = {"Embedding": (hidden[:, 2:] - first.position_embeddings[:, 2:]).mean(1)}
        for number, layer in enumerate(model.layers if hasattr(model, "layers") else model.encoder.layer):
            attended, after = layer.attention(layer.layernorm_before(hidden)), layer(hidden)
            attended = attended[0] if isinstance(attended, tuple) else attended
            expected[f"Encoder_{number + 1}"] = (after - hidden - attended).mean(1)
            hidden = after
    assert logits.shape == (3, 527)
    assert_stages(stage_activations(net, sounds, batch_size=2), expected | {"Final": logits})


def test_the_papers_stages_of_wav2vec2_are_what_transformers_computes(sounds):
    net = make("Wav2Vec2")
    shuffle(net.module)
    outputs = outputs_of(net, sounds)
    expected = {stage: states.mean(1) for stage, states in zip(ENCODER, outputs.hidden_states, strict=True)}
    assert_stages(stage_activations(net, sounds, batch_size=2), expected | {"Final": outputs.logits.mean(1)})
    assert outputs.logits.shape[2] == 32


def test_the_papers_stages_of_speech2text_are_what_transformers_computes(sounds):
    net = make("Speech2Text")
    shuffle(net.module)
    hidden = outputs_of(net, sounds).hidden_states
    expected = {stage: states.mean(1) for stage, states in zip(ENCODER, hidden, strict=True)}
    features = stage_activations(net, sounds, batch_size=2)
    assert_stages(features, expected)
    layers = stage_activations(make("Speech2Text", stages="layers"), sounds)
    assert list(layers) == list(SMALL["Speech2Text"][2])
    # The last hidden states are those after the norm.
    assert not np.allclose(features["Encoder_2"], layers["layer1"], atol=1e-3)


def shuffle(model):
    """Fill a model with random numbers: transformers begins with zeros in positions and biases, and ones in norms."""
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)


@pytest.mark.parametrize("name", SMALL)
def test_all_layers_are_an_option(name, sounds):
    net = make(name, stages="layers")
    assert net.stages == SMALL[name][2]
    features = stage_activations(net, sounds, batch_size=2)
    assert {values.shape for stage, values in features.items() if "conv" not in stage} == {(3, 16)}
    if name == "Wav2Vec2":  # the last layer's output is the model's
        expected = outputs_of(net, sounds).hidden_states[-1].mean(dim=1)
        np.testing.assert_allclose(features["layer1"], expected.numpy(), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="stages to be one of paper, layers, got 'all'"):
        make(name, stages="all")


@pytest.mark.parametrize("name", ["AST", "Wav2Vec2"])
def test_weights_without_a_head_have_no_final_stage(name, sounds, tmp_path):
    net = make(name)
    base = getattr(net.module, net.module.base_model_prefix)
    base.save_pretrained(tmp_path)
    headless = SMALL[name][0](tmp_path)
    assert headless.stages == ENCODER
    features = stage_activations(net, sounds)
    for stage, values in stage_activations(headless, sounds).items():
        np.testing.assert_allclose(values, features[stage], rtol=1e-5, atol=1e-6)


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
        run=f"{name}:{tmp_path.name}", checkpoint=f"{name}:{tmp_path}", kind="external"
    )
    assert loaded.network.gain == net.gain == 0.1
    before, after = stage_activations(net, sounds), stage_activations(loaded.network, sounds)
    for stage, values in before.items():
        np.testing.assert_array_equal(after[stage], values)
    permuted = load_network(f"permuted:{name}:{tmp_path}:1")
    assert permuted.identity.checkpoint == f"permuted:{name}:{tmp_path}:1"
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    capfd.readouterr()
    with pytest.raises(CheckpointError, match=r"weights of \w+For\w+ are missing: .*layers?\.2"):
        load_network(f"{name}:{tmp_path}")
    assert not capfd.readouterr().err


def test_settings_of_the_folders_feature_extractor_are_kept(tmp_path):
    make("AST").module.save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"mean": -5.0, "std": 3.0}))
    assert (small_ast(tmp_path).preprocess.mean, small_ast(tmp_path).preprocess.deviation) == (-5.0, 3.0)
    (tmp_path / "preprocessor_config.json").write_text("{")
    with pytest.raises(CheckpointError, match="expected JSON"):
        small_ast(tmp_path)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("hidden_size", 2**22, "config.json asks for .* GB of weights, but the files hold 0.0 GB"),
        ("intermediate_size", 2**40, "config.json asks for"),
        ("num_hidden_layers", 10**9, "config.json asks for 1000000000 num_hidden_layers, more than 1000"),
        ("hidden_size", "wide", "transformers cannot load ASTFor"),
    ],
)
def test_settings_that_ask_for_far_more_than_the_weights_are_refused(tmp_path, setting, value, message):
    make("AST").module.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {setting: value}))
    with pytest.raises(CheckpointError, match=message) as raised:
        small_ast(tmp_path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
            r"model\.safetensors: a pointer of Git LFS",
        ),
        ((2**40).to_bytes(8, "little") + b"{}", "transformers cannot load ASTFor"),
        (
            (78).to_bytes(8, "little")
            + b'{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}',
            "transformers cannot load ASTFor",
        ),
    ],
)
def test_weights_that_claim_more_than_they_hold_are_refused(tmp_path, content, message):
    make("AST").module.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as raised:
        small_ast(tmp_path)
    assert "\n" not in str(raised.value)


def test_folders_that_are_not_there_are_refused_and_nothing_is_downloaded(tmp_path):
    make("AST")
    with pytest.raises(FileNotFoundError, match=r"expected a folder with AST's config\.json"):
        small_ast(tmp_path)
    with pytest.raises(SourceError, match=r"config\.json"):
        load_network(f"AST:{tmp_path}")
    with pytest.raises(SourceError, match=r"NAME:PATH with NAME one of VGGish, .* AST"):
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
    assert net.stages == SMALL["Wav2Vec2"][2]
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
