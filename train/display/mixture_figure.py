"""A figure of mixtures: their cochleagrams, each below what it is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from networks import Cochleagram

_NUM_COLUMNS = 2
_PANEL_SIZE_IN = (5.2, 2.6)
_MARKED_HZ = (100, 250, 500, 1000, 2000, 4000, 8000)
_TAPS_PER_SECOND = 50.0  # of the published low-pass kernel: 1001 taps at 20 kHz


class ShownMixture(NamedTuple):
    """A mixture, and in words what it is made of."""

    file: str
    waveform: np.ndarray
    description: str
    change_cochleagram: Callable[[Tensor], Tensor] | None = None  # (1, F, N)


def draw_mixtures(shown: Sequence[ShownMixture], sample_rate_hz: int, *, title: str) -> Figure:
    """Draw the cochleagrams of mixtures, each below what it is made of.

    Args:
        shown: Mixtures of equal length.
        sample_rate_hz: Their sample rate in Hz.
        title: Title of the figure.

    Returns:
        The figure.
    """
    import torch

    from evaluate.report.figures import style

    waveforms = torch.from_numpy(np.stack([one.waveform for one in shown]))  # (M, T)
    front_end = _front_end(sample_rate_hz, waveforms.shape[1])
    with torch.inference_mode():
        cochleagrams = [
            (one.change_cochleagram or _unchanged)(each[None])[0].numpy()  # (F, N)
            for one, each in zip(shown, front_end(waveforms), strict=True)
        ]
    num_columns = min(_NUM_COLUMNS, len(shown))
    num_rows = ceil(len(shown) / num_columns)
    width, height = _PANEL_SIZE_IN
    figure = style.new_figure(num_columns * width, num_rows * height + 0.5, title)
    panels = figure.subplots(num_rows, num_columns, squeeze=False, sharex=True, sharey=True)
    for unused in panels.ravel()[len(shown) :]:
        unused.set_visible(False)
    freqs_hz = front_end.get_buffer("center_freqs_hz").numpy()  # (F,)
    marked_hz = [hz for hz in _MARKED_HZ if freqs_hz[0] <= hz <= freqs_hz[-1]]
    bands = np.interp(marked_hz, freqs_hz, np.arange(len(freqs_hz)))
    duration_s = waveforms.shape[1] / sample_rate_hz
    for panel, one, cochleagram in zip(panels.ravel(), shown, cochleagrams, strict=False):
        panel.imshow(
            cochleagram,
            origin="lower",
            aspect="auto",
            cmap="magma",
            interpolation="none",
            extent=(0, duration_s, -0.5, len(cochleagram) - 0.5),
        )
        panel.set_yticks(bands, [f"{hz / 1000:g}" for hz in marked_hz])
        panel.xaxis.set_major_formatter("{x:g}")
        panel.tick_params(labelsize=style.TICK_SIZE)
        panel.set_title(f"{one.file}\n{one.description}", fontsize=style.TICK_SIZE, loc="left", linespacing=1.35)
    figure.supxlabel("time (s)", fontsize=style.LABEL_SIZE)
    figure.supylabel("frequency (kHz)", fontsize=style.LABEL_SIZE)
    return figure


def _front_end(sample_rate_hz: int, num_samples: int) -> Cochleagram:
    """The published cochleagram, as far as the rate and length of the sounds allow."""
    from networks import Cochleagram

    num_taps = min(1001, 2 * round(sample_rate_hz / (2 * _TAPS_PER_SECOND)) + 1, num_samples)
    frame_rate_hz = next(rate for rate in (200, 100, 50, 20, 10, 5, 2, 1) if sample_rate_hz % rate == 0)
    return Cochleagram(
        sample_rate_hz=sample_rate_hz,
        num_samples=num_samples,
        high_hz=min(10_000.0, sample_rate_hz / 2),
        frame_rate_hz=frame_rate_hz,
        num_taps=num_taps,
    )


def _unchanged(cochleagram: Tensor) -> Tensor:
    return cochleagram
