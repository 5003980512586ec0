"""Networks of other packages, ready to be scored: waveform in, stages named, weights from a folder or untrained."""

from collections.abc import Callable
from pathlib import Path

from networks.ready.hugging_face import ast, speech2text, wav2vec2
from networks.ready.torchaudio_wav2vec2 import torchaudio_wav2vec2
from networks.staged import StagedNetwork

READY: dict[str, Callable[[Path | None], StagedNetwork]] = {
    "AST": ast,
    "Wav2Vec2": wav2vec2,
    "Speech2Text": speech2text,
    "TorchaudioWav2Vec2": torchaudio_wav2vec2,
}
"""Known by name on the command line, as in `AST:FOLDER` and `untrained:AST`."""

__all__ = ["READY", "ast", "speech2text", "torchaudio_wav2vec2", "wav2vec2"]
