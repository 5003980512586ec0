"""Bundles of a trained model and its sample rate, such as those of `torchaudio.pipelines`, as networks with stages."""

from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from networks.external.layer_taps import LayerTaps
from networks.external.speech_features import DURATION_S, PAPER_GAIN
from networks.external.staged import StagedNetwork

_NUM_SOUNDS = 2  # in the pass that finds the layers


@runtime_checkable
class Bundle(Protocol):
    """What makes a model that takes waveforms (B, T)."""

    @property
    def sample_rate(self) -> int:
        """Sample rate of the waveforms in Hz."""
        ...

    def get_model(self) -> Any:
        """Make the model with its weights; torchaudio's bundles download them if they are not in its cache."""
        ...


def bundle_network(bundle: Bundle, *, duration_s: float = DURATION_S, gain: float = PAPER_GAIN) -> StagedNetwork:
    """Make the model of a bundle, with its layers as stages.

    Args:
        bundle: The bundle.
        duration_s: Length of a sound in seconds.
        gain: Factor on the waveforms, see `PAPER_GAIN`.

    Returns:
        A network in evaluation mode with the stages of `networks.external.layer_taps.LayerTaps`.

    Raises:
        ValueError: The model is no module, does not take waveforms, or its layers are not found.
    """
    model = bundle.get_model()
    if not isinstance(model, nn.Module):
        raise ValueError(f"expected get_model() to return a torch.nn.Module, got a {type(model).__name__}")
    num_samples = round(duration_s * bundle.sample_rate)
    noise = 0.1 * torch.randn(_NUM_SOUNDS, num_samples, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            taps = LayerTaps(model.eval(), noise, num_sounds=_NUM_SOUNDS)
    except (RuntimeError, TypeError, IndexError, AssertionError) as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{type(model).__name__} does not take waveforms (B, T): {line}") from error
    network = StagedNetwork(
        taps,
        taps.stage_paths(),
        sample_rate_hz=bundle.sample_rate,
        num_samples=num_samples,
        layout=taps.layouts,
        gain=gain,
    )
    return network.eval()
