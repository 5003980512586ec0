"""Figures of a score table, drawn without pyplot: there is no global state, so they can be drawn during training."""

from typing import TYPE_CHECKING

from networks.lazy import lazy_names

if TYPE_CHECKING:
    from evaluate.report.figures.one_run import heat_map_figure, stage_figure, training_figure, write_figures
    from evaluate.report.figures.selection import scores_of

__all__ = ["heat_map_figure", "scores_of", "stage_figure", "training_figure", "write_figures"]

_HOMES = {
    "heat_map_figure": "evaluate.report.figures.one_run",
    "scores_of": "evaluate.report.figures.selection",
    "stage_figure": "evaluate.report.figures.one_run",
    "training_figure": "evaluate.report.figures.one_run",
    "write_figures": "evaluate.report.figures.one_run",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
