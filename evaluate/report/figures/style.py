"""Style of the figures, and their files. Without pyplot, there is no global state and no display."""

import io
import re
import textwrap
from collections.abc import Iterable, Sequence
from math import ceil, isnan
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, MaxNLocator

from datamodules.files import write_bytes
from evaluate.report.network_names import stage_labels
from networks.text.file_names import file_name
from networks.text.wording import shortened

DPI = 150
TITLE_SIZE, LABEL_SIZE, TICK_SIZE, SMALL_SIZE = 11.5, 10, 9, 8
_POINTS_PER_INCH = 72
_LETTER_WIDTH = 0.56
"""Mean width of letters, in sizes of the font; a little more than that of text."""
_TITLE_HEIGHT_IN = 0.5
"""What a title of one line takes of the height."""
BAND_ALPHA = 0.18
"""Opacity of error bands."""
STEPS_LABEL = "optimiser steps (0: untrained)"
NUM_PANEL_COLUMNS = (4, 3)
"""Numbers of columns to choose from if there are many panels."""
MAX_NAME_LENGTH = 40
PANEL_WIDTH_IN, PANEL_HEIGHT_IN = 2.9, 2.5
LEGEND_WIDTH_IN = 2.2
"""Width of a figure in addition to its panels."""
LABELS_PER_INCH = 4.5
"""Most names of stages along an axis."""
_SLANTED_LENGTH = 10
"""Names of stages that are longer are upright, not slanted."""
FEW_PANELS_SIZE_IN = {1: (6.0, 3.4), 2: (4.2, 3.0)}
"""Larger sizes of one or two panels."""

# Okabe & Ito 2008, "Color universal design": distinct for all common types of colour vision. Their vermilion is used
# for the baseline; their yellow is too pale for lines on white.
RUN_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#000000")
BASELINE_COLOUR = "#D55E00"
PUBLISHED_COLOUR, PUBLISHED_INK = "#C9CDD2", "#6B7280"
GROUP_COLOURS = {"in-house": "#0072B2", "external": "#009E73", "baseline": BASELINE_COLOUR}
"""Colours of groups of networks, where there are several; of the same palette."""
PALE_COLOURS = {"in-house": "#B9D3E5", "external": "#B5DDD0", "baseline": "#F0BFA0"}
"""Their pale tints, for published values."""
PERMUTED_COLOUR, PERMUTED_EDGE = "#DDDFE2", "#8A9099"
RUN_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""Their number is coprime to that of the colours, so that 42 runs differ in colour or marker."""

_UNITS = ((1e6, "M"), (1e3, "k"))
"""Units of large counts, with their letters."""

_FILE_SETTINGS: dict[Any, Any] = {
    "text.parse_math": False,  # of ticks that are made while drawing
    "svg.fonttype": "path",  # looks alike in every browser, whatever fonts it has
    "svg.hashsalt": "evaluate",  # the same figure gives the same file
    "pdf.fonttype": 42,  # text stays text in drawing programs
}
_NO_DATE = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}


def new_figure(width_in: float, height_in: float, title: str) -> Figure:
    """Make an empty figure with a layout that avoids overlaps.

    Args:
        width_in: Width in inches.
        height_in: Height in inches.
        title: Title at the top.

    Returns:
        The figure.
    """
    figure = Figure(figsize=(width_in, height_in), layout="constrained", facecolor="white")
    # On the left, where it does not overlap with the legend; in several lines if the figure is narrower.
    figure.suptitle(_in_lines(title, width_in, TITLE_SIZE), fontsize=TITLE_SIZE, x=0.01, ha="left")
    return figure


def _in_lines(text: str, length_in: float, size: float) -> str:
    """Break a text into lines of at most a length."""
    return textwrap.fill(text, int(length_in * _POINTS_PER_INCH / (size * _LETTER_WIDTH)))


def new_panels(num_panels: int, title: str, *, label_height_in: float = 0.0) -> tuple[Figure, list[Axes]]:
    """Make a figure with a grid of panels that share their axes.

    Args:
        num_panels: Number of panels, at least 1.
        title: Title at the top.
        label_height_in: Height that long labels below the panels need more, see `stage_label_height_in`.

    Returns:
        The figure and its panels, row by row.
    """
    num_columns = num_panel_columns(num_panels)
    num_rows = ceil(num_panels / num_columns)
    width_in, height_in = FEW_PANELS_SIZE_IN.get(num_panels, (PANEL_WIDTH_IN, PANEL_HEIGHT_IN))
    # Panels in the last row but one have labels, too, if there is no panel below them.
    label_rows = min(num_rows, 1 + (num_panels % num_columns > 0))
    height_in = 0.9 + height_in * num_rows + label_height_in * label_rows
    figure = new_figure(LEGEND_WIDTH_IN + width_in * num_columns, height_in, title)
    grid = figure.subplots(num_rows, num_columns, squeeze=False, sharex=True, sharey=True)
    panels = list(grid.ravel())
    for unused in panels[num_panels:]:
        unused.set_visible(False)
    for position, panel in enumerate(panels[:num_panels]):
        # The lowest panel of each column has tick labels, even if it is not in the last row.
        panel.tick_params(labelbottom=position + num_columns >= num_panels)
    return figure, panels[:num_panels]


def num_panel_columns(num_panels: int) -> int:
    """Choose the number of columns: one per panel if they are few, else the number with the fewest empty places."""
    if num_panels <= max(NUM_PANEL_COLUMNS):
        return num_panels
    return min(NUM_PANEL_COLUMNS, key=lambda columns: -num_panels % columns)


def tidy_axes(axes: Axes, *, grid: str = "both") -> None:
    """Apply the common style to axes.

    Args:
        axes: Axes to modify.
        grid: Grid lines to draw: "both", "x" or "y".
    """
    axes.grid(axis=grid, alpha=0.25)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=TICK_SIZE)


def set_score_range(axes: Axes, values: Iterable[float], *, is_bounded: bool = True) -> None:
    """Set the y range to scores from 0 (or the lowest score) to just above the highest.

    Args:
        axes: Axes to modify.
        values: All scores of the figure; NaN is ignored.
        is_bounded: Whether 1 is the highest score.
    """
    defined = [value for value in values if not isnan(value)]
    lowest, highest = (min(defined), max(defined)) if defined else (0.0, 1.0)
    top = max(0.5, min(1.05, highest + 0.08)) if is_bounded else 1.08 * highest
    axes.set_ylim(lowest - 0.03 if lowest < 0 else 0.0, top)


def set_step_axis(axes: Axes) -> None:
    """Label the x axis with a few optimiser steps in short form, all in one unit ("5k", "20k")."""
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _position: _step_text(step, axes.get_xlim()[1])))


def _step_text(step: float, highest: float) -> str:
    """Format a step in the unit of the highest one on its axis."""
    limit, unit = next(((limit, unit) for limit, unit in _UNITS if highest >= 10 * limit), (1.0, ""))
    return f"{step / limit:.4g}{unit if step else ''}"


def bar_lengths(errors: Any) -> np.ndarray:
    """Lengths of error bars: NaN, so that none is drawn, where an error is undefined or 0.

    A bar of length 0 still has a cap, which looks like a small error.

    Args:
        errors: (n,) errors.
    """
    lengths = np.asarray(errors, dtype=np.float64)
    return np.where(lengths > 0, lengths, np.nan)


def short_number(value: float) -> str:
    """Format a count in few characters.

    Args:
        value: A count, such as 1500 or 120 000.

    Returns:
        A text, such as "1500", "120k" or "2.5M".
    """
    for limit, unit in _UNITS:
        if abs(value) >= (10 * limit if unit == "k" else limit):
            return f"{value / limit:.4g}{unit}"
    return f"{value:.0f}"


def score_text(value: float) -> str:
    """Format a score in few characters, such as ".68", "-.02", "1.00" or "10.36"; zero has no sign."""
    return re.sub(r"^(-?)0\.", r"\1.", f"{round(float(value), 2) + 0.0:.2f}")


def short_name(name: str) -> str:
    """Shorten a name that is too long for legends and tables, by removing its middle.

    Args:
        name: Name of any length.

    Returns:
        A name of at most `MAX_NAME_LENGTH` characters.
    """
    return shortened(name, MAX_NAME_LENGTH)


def shades(group: str, number: int) -> list[str]:
    """Shades of a group's colour, from dark to light, for the lines and markers of its networks.

    Args:
        group: A key of `GROUP_COLOURS`.
        number: Number of networks.

    Returns:
        Colours as "#rrggbb"; the group's own for one network.
    """
    colour = GROUP_COLOURS[group]
    if number == 1:
        return [colour]
    ends = [to_hex(_mixed(colour, other, 0.6)) for other in ("#000000", "#FFFFFF")]
    scale = LinearSegmentedColormap.from_list(group, [ends[0], colour, ends[1]])
    return [to_hex(scale(i / (number - 1))) for i in range(number)]


def stage_colours(num_stages: int) -> list[tuple[float, float, float, float]]:
    """Colours of the stages, from the first (dark) to the last (bright), ordered also without colour vision."""
    return [colormaps["viridis"](0.95 * i / max(num_stages - 1, 1)) for i in range(num_stages)]


def label_stages(axes: Axes, stages: Sequence[str]) -> None:
    """Label the x axis at 0, 1, ... with the short names of stages: all, or as many as fit, the last one included."""
    figure, spec = axes.figure, axes.get_subplotspec()
    width_in = PANEL_WIDTH_IN
    if isinstance(figure, Figure) and spec is not None:
        width_in = max(1.0, figure.get_figwidth() - LEGEND_WIDTH_IN) / spec.get_gridspec().ncols
    labels = stage_labels(stages)
    places = spread_places(len(stages), int(width_in * LABELS_PER_INCH))
    shown = [labels[place] for place in places]
    # Long names that are slanted would reach far to the left, into the next panel.
    look: dict[str, Any] = {"rotation": 90} if _has_long_names(labels) else {"rotation": 45, "ha": "right"}
    axes.set_xticks(places, shown, rotation_mode="anchor" if "ha" in look else "default", **look)
    axes.set_xticks([place for place in range(len(stages)) if place not in places], minor=True)


def spread_places(number: int, most: int) -> list[int]:
    """Choose at most `most` of the indices 0 to `number` - 1, at equal distances, ending with the last one."""
    step = max(1, ceil(number / max(most, 1)))
    return list(range((number - 1) % step, number, step))


def stage_label_height_in(stages: Iterable[str]) -> float:
    """Height in inches that names of stages need more than short ones."""
    labels = stage_labels(list(stages))
    length_in = max(map(len, labels), default=0) * _LETTER_WIDTH * TICK_SIZE / _POINTS_PER_INCH
    return length_in if _has_long_names(labels) else 0.0


def _has_long_names(labels: Sequence[str]) -> bool:
    return max(map(len, labels), default=0) > _SLANTED_LENGTH


def shared_legend(
    figure: Figure, panels: Iterable[Axes], *, extra: Iterable[Artist] = (), columns_below: int | None = None
) -> None:
    """Add one legend next to the panels, for all of them.

    Args:
        figure: Figure to modify.
        panels: Axes with the labelled artists; each label is in the legend once.
        extra: Further labelled artists, at the end of the legend.
        columns_below: Number of columns of a legend below the panels; None for one on the right.
    """
    entries: dict[str, Artist] = {}
    for panel in panels:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    entries |= {str(artist.get_label()): artist for artist in extra}
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside right upper" if columns_below is None else "outside lower center",
        frameon=False,
        fontsize=TICK_SIZE,
        ncols=columns_below or max(1, ceil(len(entries) / 20)),
    )


def label_axes(figure: Figure, panels: Iterable[Axes], *, x_label: str, y_label: str) -> None:
    """Add the labels and the legend that all panels share."""
    figure.supxlabel(x_label, fontsize=LABEL_SIZE)
    figure.supylabel(upright_label(figure, y_label), fontsize=LABEL_SIZE)
    shared_legend(figure, panels)


def upright_label(figure: Figure, label: str) -> str:
    """Break the label of a y axis into lines that are no longer than the figure is high below its title."""
    return _in_lines(label, figure.get_figheight() - _TITLE_HEIGHT_IN, LABEL_SIZE)


def region_title(region: str, regions: Sequence[str]) -> str:
    """Title of a region's panel; "all" becomes "all (together)" if there are other regions."""
    if region != "all":
        return region
    return "all" if len(regions) == 1 else "all (together)"


def title_panel(panel: Axes, region: str, regions: Sequence[str]) -> None:
    """Title a panel with its region, if there are several regions."""
    if len(regions) > 1:
        panel.set_title(region_title(region, regions), fontsize=LABEL_SIZE)


def _mixed(colour: str, other: str, share: float) -> tuple[float, float, float]:
    """Mix a colour with a share of another, as red, green and blue from 0 to 1."""
    red, green, blue = ((1 - share) * a + share * b for a, b in zip(to_rgb(colour), to_rgb(other), strict=True))
    return red, green, blue


def as_plain_text(figure: Figure) -> None:
    """Show the text of a figure as it is, `$` included: names of users are no formulas, and none could be drawn wrong.

    Args:
        figure: Changed in place, once all of its text is there.
    """
    for text in figure.findobj(Text):
        text.set_parse_math(False)


def legend_label(name: str | None) -> str | None:
    """Keep a name in the legend: matplotlib leaves out labels that start with an underscore. None stays None."""
    return f" {name}" if name is not None and name.startswith("_") else name


def figure_bytes(figure: Figure, kind: str) -> bytes:
    """Render a figure.

    Args:
        figure: Figure to render; its layout is fixed by the first call.
        kind: "png", "svg" or "pdf".

    Returns:
        The content of a file of this kind; equal figures give equal bytes.
    """
    buffer = io.BytesIO()
    with mpl.rc_context(_FILE_SETTINGS):
        as_plain_text(figure)
        if (layout := figure.get_layout_engine()) is not None:
            layout.execute(figure)
            # With an engine, even one that does nothing, each file is drawn once more without being rendered.
            figure.set_layout_engine(None)
        figure.savefig(buffer, format=kind, dpi=DPI, metadata=_NO_DATE[kind])
    return buffer.getvalue()


def figure_path(folder: Path, stem: str, kind: str = "png") -> Path:
    """Path of the file of a figure, see `networks.text.file_names.file_name`."""
    return folder / f"{file_name(stem)}.{kind}"


def save_figure(figure: Figure, folder: Path, stem: str, kinds: Sequence[str] = ("png",)) -> list[Path]:
    """Write a figure to files, replacing each atomically.

    Args:
        figure: Figure to write.
        folder: An existing folder.
        stem: See `figure_path`.
        kinds: Any of "png", "svg", "pdf".

    Returns:
        The files.
    """
    paths = [figure_path(folder, stem, kind) for kind in kinds]
    for path, kind in zip(paths, kinds, strict=True):
        write_bytes(path, figure_bytes(figure, kind))
    return paths
