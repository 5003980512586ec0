"""`HuggingFace:FOLDER`: tiny networks of many types, compared with the hidden states of transformers."""

import json
import shutil

import numpy as np
import pytest
import torch

from evaluate import score_network, simulated_cortex, stage_activations
from evaluate.features.fingerprint import network_fingerprint
from networks import CheckpointError, external_network, permute_weights
from networks.external import hugging_face_encoder
from networks.weights.source_names import SourceError, parse_source
from networks.weights.sources import load_network

T = pytest.importorskip("transformers", reason="the extra 'models' is not installed")

LAYERS = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
CONVOLUTIONS = {
    "conv_dim": (8, 8, 8),
    "conv_kernel": (10, 8, 4),
    "conv_stride": (10, 8, 4),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}
TWO_SIDED = {
    "encoder_layers": 2,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "vocab_size": 60,
}
WAVEFORM = LAYERS | CONVOLUTIONS
CLAP = {
    "patch_embeds_hidden_size": 8,
    "hidden_size": 64,
    "depths": [1, 1, 1, 1],
    "num_attention_heads": [1, 1, 2, 2],
    "num_hidden_layers": 4,
}
BERT = LAYERS | {"vocab_size": 20}
WHISPER_TOKENS = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), 1)

# Class of the model, its settings, its feature extractor.
MODELS = {
    "wav2vec2": ("Wav2Vec2ForCTC", WAVEFORM | {"vocab_size": 12}, "Wav2Vec2FeatureExtractor", {}),
    "wav2vec2-conformer": ("Wav2Vec2ConformerModel", WAVEFORM, "Wav2Vec2FeatureExtractor", {}),
    "hubert": (
        "HubertModel",
        WAVEFORM | {"do_stable_layer_norm": True, "feat_extract_norm": "layer"},
        "Wav2Vec2FeatureExtractor",
        {"return_attention_mask": True},
    ),
    "wavlm": ("WavLMModel", WAVEFORM, "Wav2Vec2FeatureExtractor", {"do_normalize": False}),
    "data2vec-audio": ("Data2VecAudioModel", WAVEFORM, "Wav2Vec2FeatureExtractor", {}),
    "sew": ("SEWModel", WAVEFORM | {"squeeze_factor": 2}, "Wav2Vec2FeatureExtractor", {}),
    "unispeech": ("UniSpeechModel", WAVEFORM, "Wav2Vec2FeatureExtractor", {}),
    "unispeech-sat": ("UniSpeechSatModel", WAVEFORM, "Wav2Vec2FeatureExtractor", {}),
    "wav2vec2-bert": (
        "Wav2Vec2BertModel",
        LAYERS | {"feature_projection_input_dim": 160},
        "SeamlessM4TFeatureExtractor",
        {},
    ),
    "audio-spectrogram-transformer": (
        "ASTForAudioClassification",
        LAYERS | {"max_length": 264},
        "ASTFeatureExtractor",
        {"max_length": 264},
    ),
    "clap": (
        "ClapModel",
        {
            "text_config": BERT,
            "audio_config": CLAP | {"enable_fusion": True},
            "projection_dim": 8,
        },
        "ClapFeatureExtractor",
        {"truncation": "fusion"},
    ),
    "whisper": (
        "WhisperForConditionalGeneration",
        {"d_model": 16, "num_mel_bins": 16} | TWO_SIDED | WHISPER_TOKENS,
        "WhisperFeatureExtractor",
        {"feature_size": 16},
    ),
    "speech_to_text": (
        "Speech2TextForConditionalGeneration",
        {"d_model": 32, "conv_channels": 16} | TWO_SIDED,
        "Speech2TextFeatureExtractor",
        {},
    ),
    "speecht5": (
        "SpeechT5ForSpeechToText",
        {"hidden_size": 16} | CONVOLUTIONS | TWO_SIDED,
        "SpeechT5FeatureExtractor",
        {},
    ),
    "encodec": (
        "EncodecModel",
        {"num_filters": 4, "hidden_size": 8, "codebook_size": 16},
        "EncodecFeatureExtractor",
        {},
    ),
    "dac": (
        "DacModel",
        {"encoder_hidden_size": 4, "decoder_hidden_size": 32, "codebook_size": 16, "n_codebooks": 2},
        "DacFeatureExtractor",
        {"sampling_rate": 16_000},
    ),
}
CODECS = ("encodec", "dac")
# Of the same structure as one that is tested by default: Wav2Vec2 with other blocks, or another codec.
ALIKE = ("wav2vec2-conformer", "data2vec-audio", "sew", "unispeech", "unispeech-sat", "speech_to_text", "dac")
FRAMES = {"whisper": 100, "audio-spectrogram-transformer": 19, "encodec": 150}  # of a sound of 2 s


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Make folders of models as they are published; returns the folder, the model and the feature extractor."""
    made = {}

    def folder_of(name: str):
        if name not in made:
            model_class, settings, extractor_class, options = MODELS[name]
            torch.manual_seed(0)
            cls = getattr(T, model_class)
            model, extractor = cls(cls.config_class(**settings)).eval(), getattr(T, extractor_class)(**options)
            generator = torch.Generator().manual_seed(1)
            for parameter in model.parameters():  # some begin as zeros or ones
                parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
            folder = tmp_path_factory.mktemp(name)
            model.save_pretrained(folder)
            extractor.save_pretrained(folder)
            made[name] = folder, model, extractor
        return made[name]

    return folder_of


@pytest.fixture
def copied(folders, tmp_path):
    """A copy of the smallest folder, to be damaged."""
    shutil.copytree(folders("wav2vec2")[0], tmp_path / "model")
    return tmp_path / "model"


def sounds_for(network) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal((2, network.num_samples))).astype(np.float32)


def layers_of_codec(model, x):
    """Yield the outputs of the layers of a codec, with time last."""
    if isinstance(model, T.EncodecModel):
        for number, layer in enumerate(model.encoder.layers):
            yield f"layers.{number}", (x := layer(x))
        return
    yield "embeddings", (x := model.encoder.conv1(x))
    for number, layer in enumerate(model.encoder.block):
        yield f"layers.{number}", (x := layer(x))
    yield "output", model.encoder.conv2(model.encoder.snake1(x))


def expected_states(name, model, inputs, *, has_output):
    """What transformers computes for each stage, averaged over the frames of the sound, (B, D)."""
    if name in CODECS:
        num_samples = 2 * model.config.sampling_rate
        total = inputs["input_values"].shape[-1]
        states = dict(layers_of_codec(model, inputs["input_values"]))
        return {
            stage: state[..., : -(-state.shape[-1] * num_samples // total)].mean(-1) for stage, state in states.items()
        }
    base = model.audio_model if name == "clap" else model.base_model
    encoder = base.encoder if model.config.is_encoder_decoder else base
    outputs = encoder(**inputs, output_hidden_states=True)
    first, *layers = outputs.hidden_states
    states = {"embeddings": first} | {f"layers.{number}": state for number, state in enumerate(layers)}
    if has_output:
        states["output"] = last = outputs.last_hidden_state
        if torch.equal(layers[-1], last):  # transformers gives only the normalised output of the last layer
            del states[f"layers.{len(layers) - 1}"]
    if name == "audio-spectrogram-transformer":
        # Without the two class tokens; patches of 12 bands and 25 times, of which the first 19 hold the sound.
        states = {stage: state[:, 2:].unflatten(1, (12, 25))[:, :, :19] for stage, state in states.items()}
    if name == "whisper":
        assert first.shape[1] == 1500  # 30 s
        states = {stage: state[:, :100] for stage, state in states.items()}
    if name == "clap":
        return {
            stage: state.flatten(2).mean(2) if state.ndim == 4 else state.mean(1) for stage, state in states.items()
        }
    return {stage: state.flatten(1, -2).mean(1) for stage, state in states.items()}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in ALIKE else name for name in MODELS]
)
def test_stages_are_the_hidden_states_of_transformers(name, folders):
    folder, model, extractor = folders(name)
    network = hugging_face_encoder(folder, gain=0.5)
    sounds = sounds_for(network)
    assert network.sample_rate_hz == extractor.sampling_rate
    inputs = extractor(list(0.5 * sounds), sampling_rate=extractor.sampling_rate, return_tensors="pt")
    if name == "clap":
        inputs["is_longer"] = torch.zeros(2, 1, dtype=torch.bool)  # the extractor draws one at random
    features = stage_activations(network, sounds, batch_size=1)
    with torch.no_grad():
        expected = expected_states(name, model, inputs, has_output="output" in features)
    assert set(expected) <= set(features)
    assert len(expected) >= len(features) - 1
    for stage, state in expected.items():
        np.testing.assert_allclose(features[stage], state.numpy(), rtol=1e-5, atol=1e-5, err_msg=stage)
    if name in FRAMES:
        timed = stage_activations(network, sounds[:1], average=False)
        assert timed[network.stages[-1]].shape[-1] == FRAMES[name]
    silent = stage_activations(network, np.zeros_like(sounds[:1]))
    assert all(np.isfinite(values).all() for values in silent.values())


def test_a_codec_that_takes_chunks_of_stereo_sounds(tmp_path):
    torch.manual_seed(0)
    settings = {
        "num_filters": 2,
        "hidden_size": 4,
        "codebook_size": 16,
        "audio_channels": 2,
        "normalize": True,
        "sampling_rate": 48_000,
        "chunk_length_s": 1.0,
        "overlap": 0.01,
        "norm_type": "time_group_norm",
    }
    T.EncodecModel(T.EncodecConfig(**settings)).save_pretrained(tmp_path)
    chunks = {"feature_size": 2, "sampling_rate": 48_000, "chunk_length_s": 1.0, "overlap": 0.01}
    T.EncodecFeatureExtractor(**chunks).save_pretrained(tmp_path)
    network = hugging_face_encoder(tmp_path)
    assert (network.sample_rate_hz, network.stages[0]) == (48_000, "layers.0")
    timed = stage_activations(network, sounds_for(network)[:1], average=False)
    # Three chunks: 150 frames per second, and two more because chunks overlap by 0.01 s.
    assert timed[network.stages[-1]].shape == (1, 4, 304)


def test_networks_are_scored_with_their_controls(folders):
    folder, _, _ = folders("wav2vec2")
    benchmark = simulated_cortex(num_stimuli=55, num_subjects=2, units_per_subject=20)
    trained, initial, permuted = (
        load_network(name)
        for name in (f"HuggingFace:{folder}", f"untrained:HuggingFace:{folder}:3", f"permuted:HuggingFace:{folder}")
    )
    label = f"HuggingFace:{folder.name}"
    assert (trained.identity.run, trained.identity.kind) == (label, "external")
    assert (initial.identity.run, initial.identity.kind, initial.identity.parent, initial.identity.seed) == (
        f"{label} (untrained, seed 3)",
        "untrained",
        label,
        3,
    )
    assert permuted.identity.parent == label
    rows = score_network(trained.network, benchmark)
    assert np.isfinite(rows["value"]).all()
    assert set(trained.network.stages) == {"embeddings", "layers.0", "layers.1"} <= set(rows["stage"])
    networks = [trained.network, initial.network, permuted.network]
    assert len({network_fingerprint(network) for network in networks}) == 3
    again = load_network(f"untrained:HuggingFace:{folder}:3").network
    assert network_fingerprint(again) == network_fingerprint(initial.network)
    assert permute_weights(trained.network).stages == trained.network.stages


def test_weights_of_pytorch_are_read_like_safetensors(copied):
    expected = network_fingerprint(hugging_face_encoder(copied))
    model = T.Wav2Vec2ForCTC.from_pretrained(copied)
    (copied / "model.safetensors").unlink()
    torch.save(model.half().state_dict(), copied / "pytorch_model.bin")
    network = hugging_face_encoder(copied)
    assert next(network.parameters()).dtype == torch.float32
    assert network.stages == ("embeddings", "layers.0", "layers.1")
    assert network_fingerprint(network) != expected  # rounded
    torch.save({"wav2vec2.masked_spec_embed": print}, copied / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="transformers cannot load Wav2Vec2ForCTC") as raised:
        hugging_face_encoder(copied)
    assert "\n" not in str(raised.value)


def change(folder, **settings):
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(content | settings))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_hidden_layers": 3}, r"weights of Wav2Vec2ForCTC are missing: wav2vec2\.encoder\.layers\.2"),
        ({"num_hidden_layers": 1}, r"fewer layers than there are weights of, such as wav2vec2\.encoder\.layers\.1"),
        (
            {"intermediate_size": 40},
            r"other shapes than config\.json asks for: .*dense\.bias \(32,\) instead of \(40,\)",
        ),
        ({"num_hidden_layers": 10**9}, "1000000000 num_hidden_layers, more than 1000"),
        ({"hidden_size": "wide"}, "transformers cannot .*[^:]$"),
        (
            {"architectures": ["Mine"], "model_type": "mine", "auto_map": {"AutoModel": "mine.Mine"}},
            r"has no model of the model_type 'mine' .*code in a folder is not run \(auto_map\)",
        ),
    ],
)
def test_folders_that_do_not_fit_are_refused_in_one_line(copied, settings, message):
    change(copied, **settings)
    (copied / "mine.py").write_text("raise SystemExit('was run')")
    with pytest.raises(CheckpointError, match=message) as raised:
        hugging_face_encoder(copied)
    assert "\n" not in str(raised.value)


def test_a_folder_without_architectures_is_of_its_model_type(copied):
    change(copied, architectures=None)
    assert hugging_face_encoder(copied).stages == ("embeddings", "layers.0", "layers.1")


@pytest.mark.parametrize(("name", "takes"), [("Bert", "input_ids"), ("ViT", "pixel_values")])
def test_models_of_text_and_pictures_are_refused(tmp_path, name, takes):
    settings = BERT if name == "Bert" else LAYERS
    getattr(T, f"{name}Model")(getattr(T, f"{name}Config")(**settings)).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=f"expected a model that takes sounds .*{name}Model takes {takes}"):
        hugging_face_encoder(tmp_path)


def test_missing_files_are_named(copied, tmp_path):
    settings = json.loads((copied / "preprocessor_config.json").read_text())
    (copied / "preprocessor_config.json").rename(tmp_path / "away.json")
    with pytest.raises(FileNotFoundError, match=r"expected preprocessor_config\.json, .* next to config\.json"):
        hugging_face_encoder(copied)
    (copied / "preprocessor_config.json").write_text(json.dumps(settings | {"sampling_rate": "fast"}))
    with pytest.raises(CheckpointError, match=r"expected a sampling_rate in Hz in .*, got 'fast'"):
        hugging_face_encoder(copied)
    (tmp_path / "away.json").rename(copied / "preprocessor_config.json")
    (copied / "model.safetensors").unlink()
    assert hugging_face_encoder(copied, trained=False).stages == ("embeddings", "layers.0", "layers.1")
    with pytest.raises(CheckpointError, match="transformers cannot load"):
        hugging_face_encoder(copied)
    with pytest.raises(SourceError, match=r"expected a folder with a model's config\.json"):
        load_network(f"HuggingFace:{tmp_path}")
    with pytest.raises(ValueError, match="HuggingFace needs a folder"):
        external_network("HuggingFace")
    for unknown in ("HuggingFace:organisation/model", "untrained:HuggingFace", "untrained:HuggingFace:nowhere:1"):
        with pytest.raises(SourceError, match=r"untrained:HuggingFace:FOLDER\[:SEED\]"):
            parse_source(unknown)


def test_functions_of_users_load_without_bars_of_transformers(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import transformers.utils.logging as settings\n"
        "from torch import nn\n"
        "from networks import StagedNetwork\n"
        "def make():\n"
        "    assert not settings.is_progress_bar_enabled()\n"
        "    net = nn.Sequential(nn.Unflatten(1, (1, -1)), nn.Conv1d(1, 2, 8))\n"
        '    return StagedNetwork(net, ["1"], sample_rate_hz=100, num_samples=50)\n'
    )
    assert T.utils.logging.is_progress_bar_enabled()
    assert load_network(f"{tmp_path / 'mine.py'}:make").network.stages == ("1",)
    assert T.utils.logging.is_progress_bar_enabled()
