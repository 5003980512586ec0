"""Networks of others, ready to be scored: waveforms in, named stages, with weights or untrained."""

from typing import TYPE_CHECKING

from networks.lazy import lazy_names

if TYPE_CHECKING:
    from networks.external.hugging_face import ast, speech2text, wav2vec2
    from networks.external.published.dcase2020 import dcase2020
    from networks.external.published.deepspeech2 import deepspeech2
    from networks.external.published.metricgan import metricgan
    from networks.external.published.sepformer import sepformer
    from networks.external.published.vggish import vggish
    from networks.external.published.vqvae import vqvae
    from networks.external.torchaudio_models import torchaudio_wav2vec2
    from networks.external.transformers_audio import hugging_face_encoder

__all__ = [
    "ast",
    "dcase2020",
    "deepspeech2",
    "hugging_face_encoder",
    "metricgan",
    "sepformer",
    "speech2text",
    "torchaudio_wav2vec2",
    "vggish",
    "vqvae",
    "wav2vec2",
]

_HOMES = {
    "ast": "networks.external.hugging_face",
    "dcase2020": "networks.external.published.dcase2020",
    "deepspeech2": "networks.external.published.deepspeech2",
    "hugging_face_encoder": "networks.external.transformers_audio",
    "metricgan": "networks.external.published.metricgan",
    "sepformer": "networks.external.published.sepformer",
    "speech2text": "networks.external.hugging_face",
    "torchaudio_wav2vec2": "networks.external.torchaudio_models",
    "vggish": "networks.external.published.vggish",
    "vqvae": "networks.external.published.vqvae",
    "wav2vec2": "networks.external.hugging_face",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
