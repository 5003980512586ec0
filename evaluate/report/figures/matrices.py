"""Similarity matrices of sounds, in the order of their categories."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluate.metrics.best_stage import mean_defined
from evaluate.metrics.rsa import category_order, similarity_matrix, z_score
from evaluate.report.figures import style

LABEL_HEIGHT = 0.045
"""Height of a line of text as a fraction of a panel's height."""
CORRELATION_LABEL = "dissimilarity of two sounds (1 − Pearson r)"


def dissimilarity(values: np.ndarray) -> np.ndarray:
    """Representational dissimilarity matrix: 1 - Pearson r between sounds, with units z-scored over all sounds.

    Args:
        values: (S, D) features, or (S, V) or (S, V, R) responses, averaged over repetitions that are not NaN.

    Returns:
        (S, S) dissimilarities from 0 to 2.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim == 3:
        values = mean_defined(values, axis=2)
    return 1.0 - similarity_matrix(z_score(values, np.ones(len(values), dtype=bool)))


def matrices_figure(matrices: Mapping[str, np.ndarray], categories: Sequence[str] | None, title: str) -> Figure:
    """Draw dissimilarity matrices side by side, with sounds sorted by category and lines between categories.

    Args:
        matrices: (S, S) matrices by title, with sounds in the benchmark's order.
        categories: (S,) category of each sound, or None to keep the benchmark's order.
        title: Title of the figure.

    Returns:
        The figure; all matrices share one colour scale.
    """
    labels = list(categories) if categories is not None else []
    num_sounds = len(next(iter(matrices.values())))
    order = category_order(labels) if labels else np.arange(num_sounds)
    num_columns = style.num_panel_columns(len(matrices))
    num_rows = ceil(len(matrices) / num_columns)
    figure = style.new_figure(2.6 + 3.1 * num_columns, 1.3 + 3.1 * num_rows, title)
    grid = figure.subplots(num_rows, num_columns, squeeze=False)
    for unused in grid.ravel()[len(matrices) :]:
        unused.set_visible(False)
    for number, (panel, (name, matrix)) in enumerate(zip(grid.ravel(), matrices.items(), strict=False)):
        ordered = matrix[np.ix_(order, order)]
        # Cividis increases evenly in brightness and looks the same with colour vision deficiency.
        image = panel.imshow(ordered, cmap="cividis", vmin=0.0, vmax=_top(matrices), interpolation="nearest")
        panel.set_title(name, fontsize=style.LABEL_SIZE)
        panel.set_facecolor("grey")
        _mark_categories(panel, [labels[i] for i in order] if labels else [], named=number % num_columns == 0)
    colour_bar = figure.colorbar(image, ax=list(grid.ravel()), fraction=0.04, pad=0.02)
    colour_bar.set_label(CORRELATION_LABEL, fontsize=style.TICK_SIZE)
    colour_bar.ax.tick_params(labelsize=style.SMALL_SIZE)
    return figure


def _top(matrices: Mapping[str, np.ndarray]) -> float:
    """Upper end of the colour scale: the 99th percentile over all matrices, so that outliers do not darken them."""
    values = np.concatenate([matrix[np.isfinite(matrix)] for matrix in matrices.values()])
    return float(np.percentile(values, 99)) if values.size else 2.0


def _mark_categories(panel: Axes, labels: Sequence[str], *, named: bool) -> None:
    """Draw lines between categories and name them on the left."""
    panel.set_xticks([])
    panel.set_yticks([])
    if not labels:
        panel.set_xlabel("sounds", fontsize=style.SMALL_SIZE)
        return
    starts = [0, *(i for i in range(1, len(labels)) if labels[i] != labels[i - 1]), len(labels)]
    for start in starts[1:-1]:
        panel.axhline(start - 0.5, color="white", lw=0.8)
        panel.axvline(start - 0.5, color="white", lw=0.8)
    if named:
        middles = _spread([(start + stop - 1) / 2 for start, stop in pairwise(starts)], len(labels))
        panel.set_yticks(middles, [labels[start] for start in starts[:-1]], fontsize=style.SMALL_SIZE)
        panel.tick_params(length=0)


def _spread(places: Sequence[float], num_sounds: int) -> list[float]:
    """Move the names of small categories apart, so that they do not overlap: downwards, then back up from the end."""
    gap = LABEL_HEIGHT * num_sounds
    spread: list[float] = []
    for place in places:
        spread.append(max(place, spread[-1] + gap) if spread else place)
    limit = num_sounds - 0.5
    for number in reversed(range(len(spread))):
        spread[number] = min(spread[number], limit)
        limit = spread[number] - gap
    return spread
