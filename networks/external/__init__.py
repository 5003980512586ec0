"""Networks of other packages, ready to be scored: waveforms in, named stages, with weights or untrained."""

from typing import TYPE_CHECKING

from networks.lazy import lazy_names

if TYPE_CHECKING:
    from networks.external.hugging_face import ast, speech2text, wav2vec2
    from networks.external.torchaudio_models import torchaudio_wav2vec2

__all__ = ["ast", "speech2text", "torchaudio_wav2vec2", "wav2vec2"]

_HOMES = {
    "ast": "networks.external.hugging_face",
    "speech2text": "networks.external.hugging_face",
    "torchaudio_wav2vec2": "networks.external.torchaudio_models",
    "wav2vec2": "networks.external.hugging_face",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
