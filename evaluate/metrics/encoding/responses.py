"""Responses of units, checked and arranged for the fits."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from evaluate.metrics.splits import Splits

_AXES = ("stimulus", "unit", "repetition", "bin")


class Targets(NamedTuple):
    """Responses of a chunk of units, arranged for the fits."""

    values: Tensor  # (S, K, V): the mean, then each repetition if there are several; no NaN
    is_missing: Tensor  # (R, V) bool, repetitions with NaN
    num_repetitions: Tensor  # (V,) number of repetitions in the mean, harmonic mean over stimuli


def check_responses(
    responses: np.ndarray, splits: Splits, *, allow_missing: bool = False, has_time: bool = False
) -> np.ndarray:
    """Check that responses are real numbers to the stimuli of splits, finite unless missing.

    Args:
        responses: (S, V) or (S, V, R); with `has_time`, (S, V, T) or (S, V, R, T).
        splits: Splits of S stimuli.
        allow_missing: Accept NaN if there is another repetition.
        has_time: Whether the last axis is time.

    Returns:
        Responses (S, V, R) or, with `has_time`, (S, V, R, T).

    Raises:
        ValueError: They are not; the message gives the position.
    """
    responses = np.asarray(responses)
    num_axes = (3, 4) if has_time else (2, 3)
    if responses.ndim not in num_axes or 0 in responses.shape or responses.dtype.kind not in "fiu":
        shapes = "(S, V, T) or (S, V, R, T)" if has_time else "(S, V) or (S, V, R)"
        raise ValueError(f"responses must be real numbers {shapes}, got {responses.dtype} {responses.shape}")
    if responses.ndim == num_axes[0]:
        responses = np.expand_dims(responses, 2)
    if responses.shape[0] != splits.num_stimuli:
        raise ValueError(f"responses have {responses.shape[0]} stimuli, but the splits have {splits.num_stimuli}")
    if np.isfinite(responses.sum()):
        return responses
    bad = np.isinf(responses) if allow_missing else ~np.isfinite(responses)
    if bad.any():
        raise ValueError(
            f"responses contain {int(bad.sum())} NaN or infinite values, the first at {_first(bad, _AXES)}: leave such "
            "units out, or pass allow_missing=True for missing repetitions (NaN)"
        )
    empty = np.isnan(responses).all(axis=2)
    if empty.any():
        stimulus, unit, *time = np.argwhere(empty)[0]
        at = f" in bin {time[0]}" if time else ""
        num_units = int(empty.any(axis=tuple({0, *range(2, empty.ndim)})).sum())
        raise ValueError(
            f"unit {unit} has no response to stimulus {stimulus}{at} in any repetition ({num_units} such units): "
            "leave them out"
        )
    return responses


def _first(is_bad: np.ndarray, axes: tuple[str, ...]) -> str:
    """Name the position of the first True."""
    return ", ".join(f"{axis} {index}" for axis, index in zip(axes, np.argwhere(is_bad)[0], strict=False))


def arrange_targets(repetitions: Tensor) -> Targets:
    """Put the mean of float64 repetitions (S, V, R), NaN if missing, in front of them."""
    repetitions = repetitions.transpose(1, 2)  # (S, R, V)
    is_nan = repetitions.isnan()
    count = (~is_nan).sum(dim=1, dtype=torch.float64)  # (S, V)
    filled = repetitions.nan_to_num()
    mean = filled.sum(dim=1, keepdim=True) / count[:, None]
    values = torch.cat([mean, filled], dim=1) if repetitions.shape[1] > 1 else mean
    return Targets(values, is_nan.any(dim=0), 1.0 / (1.0 / count).mean(dim=0))
