"""A sound file as a network hears it."""

from pathlib import Path

import torch
from torch import Tensor, nn

from datamodules.audio import PUBLISHED_RMS, AudioError, fit_length, is_audible, read_audio, set_rms
from evaluate.features.activations import device_of, warn_if_short
from networks.user_code import kind_of


def load_sound(net: nn.Module, path: str | Path, *, start_s: float = 0.0, rms: float = PUBLISHED_RMS) -> Tensor:
    """Load a sound file as the input of a network, in the same way as the sounds of a benchmark.

    Channels are averaged, the sound is resampled to the network's rate, cut to the length of its input, demeaned and
    set to a level. A sound that ends before is padded with zeros, with a warning for the
    first one.

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
    rate_hz, num_samples = int(net.sample_rate_hz), int(net.num_samples)  # type: ignore[arg-type]
    sound = read_audio(path, sample_rate_hz=rate_hz, start_s=start_s, duration_s=num_samples / rate_hz)
    if not is_audible(sound):
        raise AudioError(
            f"{path}: silent from {start_s:g} s to {start_s + len(sound) / rate_hz:g} s, has no level to set"
        )
    warn_if_short(len(sound), net, stacklevel=2)
    waveform = torch.from_numpy(set_rms(fit_length(sound, num_samples), rms))
    return waveform[None].to(device_of(net))
