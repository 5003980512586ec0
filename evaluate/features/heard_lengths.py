"""Warnings about sounds that are shorter or longer than the input of a network."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakSet

from networks.text.wording import counted

if TYPE_CHECKING:
    from torch import nn

CUT_TOLERANCE = 0.01
"""Part of a network's input that may be cut off without a word: resampling and MP3 change lengths a little."""


class WarnedOnce:
    """Remembers the networks of which a warning was shown."""

    def __init__(self) -> None:
        self._networks: WeakSet[nn.Module] = WeakSet()

    def is_first(self, net: nn.Module) -> bool:
        """Whether this is the first call with a network."""
        if net in self._networks:
            return False
        self._networks.add(net)
        return True


def input_of(net: nn.Module) -> tuple[int, int]:
    """Sample rate in Hz and samples of a network's input."""
    return int(net.sample_rate_hz), int(net.num_samples)  # type: ignore[arg-type]


def padding(what: str, num_samples: int, net: nn.Module) -> str:
    """Say that something is shorter than the input of a network, with both lengths."""
    rate_hz, needed = input_of(net)
    return (
        f"{what}: {num_samples / rate_hz:.3g} s ({num_samples} samples) of the {needed / rate_hz:.3g} s ({needed} "
        "samples) that the network hears; zeros are added at the end"
    )


def is_cut(num_samples: float, num_heard: int) -> bool:
    """Whether a sound loses more than lengths change by resampling."""
    return num_samples > num_heard * (1 + CUT_TOLERANCE) + 1


def warn_if_cut(paths: Sequence[str], num_samples: Sequence[int], num_heard: int, sample_rate_hz: int) -> None:
    """Warn once if only the beginning of some sounds is heard.

    Args:
        paths: Files of the sounds.
        num_samples: Samples of each.
        num_heard: Samples that are heard.
        sample_rate_hz: Sample rate of both in Hz.
    """
    cut = {path: number for path, number in zip(paths, num_samples, strict=True) if is_cut(number, num_heard)}
    if not cut:
        return
    first = next(iter(cut))
    heard_s, longest_s = num_heard / sample_rate_hz, max(cut.values()) / sample_rate_hz
    warnings.warn(
        f"{counted(len(cut), 'sound', 'is')} longer than the {heard_s:.3g} s that the network hears, up to "
        f"{longest_s:.3g} s: only the first {heard_s:.3g} s of each are heard, as of {first}",
        stacklevel=2,
    )
