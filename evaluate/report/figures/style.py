"""How figures look and how they become files. No pyplot: no global state, no display."""

import io
import re
from collections.abc import Iterable, Sequence
from math import ceil, isnan
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from datamodules.files import write_bytes

DPI = 150
TITLE_SIZE, LABEL_SIZE, TICK_SIZE, SMALL_SIZE = 11.5, 10, 9, 8
BAND_ALPHA = 0.18
"""Opacity of error bands."""
STEPS_LABEL = "optimiser steps (0: untrained)"
NUM_PANEL_COLUMNS = (4, 3)
"""Columns of panels to choose from where there are many."""
MAX_NAME_LENGTH = 40
PANEL_WIDTH_IN, PANEL_HEIGHT_IN = 2.9, 2.5
FEW_PANELS_SIZE_IN = {1: (6.0, 3.4), 2: (4.2, 3.0)}
"""Panels are larger where there are so few."""

# Okabe & Ito 2008, "Color universal design": distinct for every common kind of colour vision. Their vermilion
# is kept for the baseline, their yellow is too pale for lines on white.
RUN_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#000000")
BASELINE_COLOUR = "#D55E00"
PUBLISHED_COLOUR, PUBLISHED_INK = "#C9CDD2", "#6B7280"
RUN_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""As many markers as no multiple of the colours: 42 runs differ in at least one of the two."""

_FILE_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "path",  # looks alike in every browser, whatever fonts it has
    "svg.hashsalt": "evaluate",  # the same figure gives the same file
    "pdf.fonttype": 42,  # text stays text in drawing programs
}
_NO_DATE = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}


def new_figure(width_in: float, height_in: float, title: str) -> Figure:
    """Make an empty figure whose parts are laid out without overlap.

    Args:
        width_in: Width in inches.
        height_in: Height in inches.
        title: Shown on top.

    Returns:
        The figure.
    """
    figure = Figure(figsize=(width_in, height_in), layout="constrained", facecolor="white")
    # On the left, where no legend comes in its way.
    figure.suptitle(title, fontsize=TITLE_SIZE, x=0.01, ha="left")
    return figure


def new_panels(num_panels: int, title: str) -> tuple[Figure, list[Axes]]:
    """Make a figure with a grid of panels that share their axes.

    Args:
        num_panels: At least 1.
        title: Shown on top.

    Returns:
        The figure and its panels, row after row.
    """
    num_columns = num_panel_columns(num_panels)
    num_rows = ceil(num_panels / num_columns)
    width_in, height_in = FEW_PANELS_SIZE_IN.get(num_panels, (PANEL_WIDTH_IN, PANEL_HEIGHT_IN))
    figure = new_figure(2.2 + width_in * num_columns, 0.9 + height_in * num_rows, title)
    grid = figure.subplots(num_rows, num_columns, squeeze=False, sharex=True, sharey=True)
    panels = list(grid.ravel())
    for unused in panels[num_panels:]:
        unused.set_visible(False)
    for position, panel in enumerate(panels[:num_panels]):
        # The lowest panel of each column has the numbers, also above an empty place.
        panel.tick_params(labelbottom=position + num_columns >= num_panels)
    return figure, panels[:num_panels]


def num_panel_columns(num_panels: int) -> int:
    """Choose how many panels stand side by side.

    Args:
        num_panels: At least 1.

    Returns:
        All of a few; of more, the number of columns that leaves fewest places empty.
    """
    if num_panels <= max(NUM_PANEL_COLUMNS):
        return num_panels
    return min(NUM_PANEL_COLUMNS, key=lambda columns: -num_panels % columns)


def tidy_axes(axes: Axes, *, grid: str = "both") -> None:
    """Bring an axes object into the style of all figures.

    Args:
        axes: Changed in place.
        grid: Which grid lines: "both", "x" or "y".
    """
    axes.grid(axis=grid, alpha=0.25)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=TICK_SIZE)


def set_score_range(axes: Axes, values: Iterable[float], *, is_bounded: bool = True) -> None:
    """Set a range of scores: from 0 (or the lowest score) to just above the highest.

    Args:
        axes: Whose y axis is set.
        values: All scores of the figure; NaN is left out.
        is_bounded: Whether 1 is the highest score.
    """
    defined = [value for value in values if not isnan(value)]
    lowest, highest = (min(defined), max(defined)) if defined else (0.0, 1.0)
    top = max(0.5, min(1.05, highest + 0.08)) if is_bounded else 1.08 * highest
    axes.set_ylim(lowest - 0.03 if lowest < 0 else 0.0, top)


def set_step_axis(axes: Axes) -> None:
    """Write optimiser steps on the x axis, few and short ("20k").

    Args:
        axes: Changed in place.
    """
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _position: short_number(step)))


def short_number(value: float) -> str:
    """Write a count in few characters.

    Args:
        value: As 1500 or 120 000.

    Returns:
        As "1500", "120k", "2.5M".
    """
    for limit, unit in ((1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{value / (1e3 if unit == 'k' else 1e6):.4g}{unit}"
    return f"{value:.0f}"


def score_text(value: float) -> str:
    """Write a score in few characters.

    Args:
        value: Not NaN.

    Returns:
        As ".68", "-.02" or "1.00"; what rounds to zero has no sign.
    """
    return f"{round(value, 2) + 0.0:.2f}".replace("0.", ".", 1)


def short_name(name: str) -> str:
    """Cut out the middle of a name that is too long for legends and tables.

    Args:
        name: Any length.

    Returns:
        At most `MAX_NAME_LENGTH` characters.
    """
    if len(name) <= MAX_NAME_LENGTH:
        return name
    half = (MAX_NAME_LENGTH - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def stage_colours(num_stages: int) -> list[tuple[float, float, float, float]]:
    """Give colours in order, from the first stage (dark) to the last (bright).

    Args:
        num_stages: How many.

    Returns:
        One colour per stage; order is also seen without colour vision.
    """
    return [colormaps["viridis"](0.95 * i / max(num_stages - 1, 1)) for i in range(num_stages)]


def label_stages(axes: Axes, stages: Sequence[str]) -> None:
    """Name stages at x = 0, 1, ...

    Args:
        axes: Changed in place.
        stages: Names in the network's order.
    """
    axes.set_xticks(range(len(stages)), stages, rotation=45, ha="right", rotation_mode="anchor")


def shared_legend(figure: Figure, panels: Iterable[Axes], *, extra: Iterable[Artist] = ()) -> None:
    """Put one legend beside the panels, for what any of them shows.

    Args:
        figure: Gets the legend.
        panels: Axes whose labelled artists are in it, each label once.
        extra: Further labelled artists, at its end.
    """
    entries: dict[str, Artist] = {}
    for panel in panels:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    entries |= {str(artist.get_label()): artist for artist in extra}
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside right upper",
        frameon=False,
        fontsize=TICK_SIZE,
        ncols=max(1, ceil(len(entries) / 20)),
    )


def label_axes(figure: Figure, panels: Iterable[Axes], *, x_label: str, y_label: str) -> None:
    """Name what all panels share: their axes, and what is drawn in them."""
    figure.supxlabel(x_label, fontsize=LABEL_SIZE)
    figure.supylabel(y_label, fontsize=LABEL_SIZE)
    shared_legend(figure, panels)


def region_title(region: str, regions: Sequence[str]) -> str:
    """Name a panel.

    Args:
        region: Region, component or "all".
        regions: All that are shown.

    Returns:
        The name; "all" says that it is all of them together where there are others.
    """
    if region != "all":
        return region
    return "all" if len(regions) == 1 else "all (together)"


def title_panel(panel: Axes, region: str, regions: Sequence[str]) -> None:
    """Write a region above a panel, where there are several.

    Args:
        panel: Changed in place.
        region: Region, component or "all".
        regions: All that are shown.
    """
    if len(regions) > 1:
        panel.set_title(region_title(region, regions), fontsize=LABEL_SIZE)


def figure_bytes(figure: Figure, kind: str) -> bytes:
    """Render a figure.

    Args:
        figure: Laid out on the first call.
        kind: "png", "svg" or "pdf".

    Returns:
        The content of a file of this kind; equal figures give equal bytes.
    """
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # so that the next kind of file does not cost it again
    buffer = io.BytesIO()
    with mpl.rc_context(_FILE_SETTINGS):
        figure.savefig(buffer, format=kind, dpi=DPI, metadata=_NO_DATE[kind])
    return buffer.getvalue()


def figure_path(folder: Path, stem: str, kind: str = "png") -> Path:
    """Name the file of a figure.

    Args:
        folder: Where it is.
        stem: Name without suffix; characters that file names should not have are replaced.
        kind: "png", "svg" or "pdf".

    Returns:
        The file, whether it is there or not.
    """
    safe = re.sub(r"[^A-Za-z0-9_.-]+", "-", stem).strip("-")
    return folder / f"{safe}.{kind}"


def save_figure(figure: Figure, folder: Path, stem: str, kinds: Sequence[str] = ("png",)) -> list[Path]:
    """Write a figure to files, each replaced whole.

    Args:
        figure: What to write.
        folder: Where; it exists.
        stem: See `figure_path`.
        kinds: Of "png", "svg", "pdf".

    Returns:
        The files.
    """
    paths = [figure_path(folder, stem, kind) for kind in kinds]
    for path, kind in zip(paths, kinds, strict=True):
        write_bytes(path, figure_bytes(figure, kind))
    return paths
