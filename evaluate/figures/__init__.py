"""Pictures of a score table, made without pyplot: no global state, safe to call while something else trains."""

from evaluate.figures.one_run import heat_map_figure, stage_figure, training_figure, write_figures
from evaluate.figures.selection import scores_of

__all__ = ["heat_map_figure", "scores_of", "stage_figure", "training_figure", "write_figures"]
