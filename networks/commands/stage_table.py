"""The stages of a network as a table of a console."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from networks.commands.console_tables import Name

if TYPE_CHECKING:
    from networks.stage_summary import StageSummary


_UNKNOWN = "–"


def stage_table(title: str, rows: Sequence[StageSummary], note: str = "") -> Table:
    """Make a table of the stages of a network, with shapes, parameters, operations and receptive fields.

    Args:
        title: Title of the table.
        rows: From `networks.stage_summary.stage_summaries`.
        note: What is written below it.
    """
    if any(row.field_ms is not None and math.isnan(row.field_ms) for row in rows):
        unknown = f"{_UNKNOWN}: unknown, as no gradient reaches the waveform from there"
        note = f"{note}; {unknown}" if note else unknown
    table = Table(title=title, caption=note or None, title_justify="left")
    table.add_column("stage", min_width=12)
    for name in ("shape", "units", "parameters", "operations", "sees ms", "bands"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            Name(row.name),
            "x".join(map(str, row.shape)) if row.shape else "",
            "" if row.num_units is None else str(row.num_units),
            short_count(row.num_parameters),
            "" if row.num_operations is None else short_count(row.num_operations),
            _extent(row.field_ms),
            _extent(row.field_bands),
        )
    table.add_section()
    parameters = sum(row.num_parameters for row in rows)
    operations = sum(row.num_operations or 0 for row in rows)
    table.add_row("all", "", "", short_count(parameters), short_count(operations), "", "")
    return table


def _extent(value: float | None) -> str:
    if value is None:
        return ""
    if math.isnan(value):
        return _UNKNOWN
    return "all" if math.isinf(value) else f"{round(value, 1):g}"


def short_count(number: int) -> str:
    """Format a number with three digits and a unit, such as 1.27 M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)
