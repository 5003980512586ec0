"""Mixing whole batches with torch, on any device: the same mixtures as `datamodules.batches.mixing.mix`."""

from typing import Any

import torch
from torch import Tensor

from datamodules.audio import PUBLISHED_RMS


def mix_batch(signal: Tensor, noise: Tensor, snr_db: Tensor, *, rms_level: float = PUBLISHED_RMS) -> Tensor:
    """Add noises to signals at their signal-to-noise ratios, and set the level of each sum.

    Equation and order of steps are those of `datamodules.batches.mixing.mix` (Feather et al. 2019), in float64 if the
    device supports it, so that both give the same numbers except for the rounding of the ratios to float32.

    Args:
        signal: (B, T) float.
        noise: (B, T) float.
        snr_db: (B,) ratios in dB; +inf leaves out the noise, -inf the signal.
        rms_level: RMS of the result.

    Returns:
        (B, T) float32; silence if an example has nothing to hear.
    """
    precision = torch.float32 if signal.device.type == "mps" else torch.float64
    ratio_db = snr_db.to(precision)[:, None]  # (B, 1)
    signal, noise = _centred(signal.to(precision)), _centred(noise.to(precision))
    has_both = ratio_db.isfinite() & (_rms(noise) > 0)
    # If one side is absent, the noise's level is 0 or its weight undefined: both are replaced before they are used.
    noise_level = torch.where(has_both, _rms(noise) * 10 ** (ratio_db.where(has_both, 0.0) / 20), 1.0)
    weight = torch.where(has_both, _rms(signal) / noise_level, (ratio_db == -torch.inf).to(precision))
    return set_rms_of_batch(torch.where(ratio_db == -torch.inf, 0.0, signal) + weight * noise, rms_level).float()


def set_rms_of_batch(waveform: Tensor, rms_level: Tensor | float) -> Tensor:
    """Demean sounds (B, T) and scale each to an RMS, a number or (B, 1); silence stays silent."""
    total = _centred(waveform)
    level = _rms(total)
    return total * (rms_level / level.where(level > 0, 1.0))


def mixed(batch: dict[str, Any]) -> dict[str, Any]:
    """Replace the signals and noises of a batch by their mixtures.

    Args:
        batch: With `signal`, `noise` and `snr_db` of unmixed examples, see `datamodules.batches.examples.collate`.

    Returns:
        The batch with `waveform` (B, T) in place of `signal` and `noise`; a batch of mixtures is returned as it is.
    """
    if "waveform" in batch:
        return batch
    with torch.no_grad():
        waveform = mix_batch(batch["signal"], batch["noise"], batch["snr_db"])
    return {"waveform": waveform, **{name: value for name, value in batch.items() if name not in ("signal", "noise")}}


def _centred(waveform: Tensor) -> Tensor:
    return waveform - waveform.mean(dim=1, keepdim=True)


def _rms(waveform: Tensor) -> Tensor:
    return waveform.square().mean(dim=1, keepdim=True).sqrt()
