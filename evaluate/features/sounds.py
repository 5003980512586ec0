"""A sound file as a network hears it."""

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from datamodules.audio import PUBLISHED_RMS, AudioError, audio_info, fit_length, is_audible, read_audio, set_rms
from evaluate.features.activations import device_of
from evaluate.features.heard_lengths import WarnedOnce, input_of, is_cut, padding
from networks.user_code import kind_of

_SHORT, _LONG = WarnedOnce(), WarnedOnce()
_ONCE = "further files are not reported"


def load_sound(net: nn.Module, path: str | Path, *, start_s: float = 0.0, rms: float = PUBLISHED_RMS) -> Tensor:
    """Load a sound file as the input of a network, in the same way as the sounds of a benchmark.

    Channels are averaged, the sound is resampled to the network's rate, cut to the length of its input, demeaned and
    set to a level. A sound that ends before is padded with zeros. The first sound of a network that is padded, and the
    first that is cut although no start is given, leads to a warning.

    ```python
    logits = net(load_sound(net, "dog.wav"))
    sounds = torch.cat([load_sound(net, path) for path in paths])  # (S, T)
    ```

    Args:
        net: Network with `sample_rate_hz` and `num_samples`, such as `networks.AuditoryNetwork`.
        path: File in any format that libsndfile reads, or FFmpeg if that is installed.
        start_s: Where to start in the file, in seconds; what comes after the length of the input is not used.
        rms: Level, as root mean square. Published networks were trained at 0.1.

    Returns:
        (1, T) float32, a batch of one sound, on the device of the network.

    Raises:
        AudioError: The file is missing or broken, ends before the start, or is silent.
        TypeError: The network does not say which sounds it takes.
    """
    if not hasattr(net, "sample_rate_hz") or not hasattr(net, "num_samples"):
        raise TypeError(
            "expected a network with sample_rate_hz and num_samples, such as networks.AuditoryNetwork, got "
            f"{kind_of(net)}; networks.StagedNetwork adds these to any module"
        )
    rate_hz, num_samples = input_of(net)
    sound = read_audio(path, sample_rate_hz=rate_hz, start_s=start_s, duration_s=num_samples / rate_hz)
    if not is_audible(sound):
        raise AudioError(
            f"{path}: silent from {start_s:g} s to {start_s + len(sound) / rate_hz:g} s, has no level to set"
        )
    if len(sound) < num_samples and _SHORT.is_first(net):
        warnings.warn(f"{padding(str(path), len(sound), net)} ({_ONCE})", stacklevel=2)
    elif len(sound) == num_samples and not start_s:
        _warn_if_cut(net, path)
    waveform = torch.from_numpy(set_rms(fit_length(sound, num_samples), rms))
    return waveform[None].to(device_of(net))


def _warn_if_cut(net: nn.Module, path: str | Path) -> None:
    """Warn about the first file of which only the beginning is heard; the caller's caller is named."""
    rate_hz, num_samples = input_of(net)
    duration_s = audio_info(path).duration_s
    if is_cut(duration_s * rate_hz, num_samples) and _LONG.is_first(net):
        warnings.warn(
            f"{path} lasts {duration_s:.3g} s, of which the network hears the first {num_samples / rate_hz:.3g} s; "
            f"`start_s` chooses others ({_ONCE})",
            stacklevel=3,
        )
