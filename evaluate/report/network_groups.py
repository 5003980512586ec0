"""Groups of the networks in a report, and their places among the published models."""

from collections.abc import Sequence

from evaluate.options import SEED_PATTERN
from evaluate.report.figures.series import Entry, NetworkGroup
from evaluate.report.page import RowTitle, TableRow
from evaluate.report.published_values import PUBLISHED_MODELS, published_model
from evaluate.report.seed_groups import group_name
from evaluate.scoring import table as t

GROUP_TITLES: dict[NetworkGroup, str] = {
    "in-house": "In-house networks",
    "external": "External networks",
    "baseline": "Baseline",
    "control": "Controls",
}
"""Titles of the groups, in the order of tables."""


def in_groups(rows: Sequence[tuple[NetworkGroup, TableRow]]) -> list[TableRow | RowTitle]:
    """Sort rows of a table by group, with titles if there are several groups without counting controls.

    Args:
        rows: Rows with the groups of their networks.

    Returns:
        Rows in the order of `GROUP_TITLES`, otherwise in their own.
    """
    has_titles = len({group for group, _ in rows} - {"control"}) > 1
    sorted_rows: list[TableRow | RowTitle] = []
    for group, title in GROUP_TITLES.items():
        of_group = [row for each, row in rows if each == group]
        sorted_rows += [RowTitle(title)] if has_titles and of_group else []
        sorted_rows += of_group
    return sorted_rows


def published_as(entry: Entry) -> str | None:
    """Find the published model of a network's name.

    Args:
        entry: A network.

    Returns:
        Name in `PUBLISHED_MODELS`, such as "CochCNN9-Word" for a run "cochcnn9_word" of any seed; None for controls and
        networks that were not published.
    """
    names = {str(name) for name in (*entry.rows[t.RUN], entry.series.owner)}
    models = (published_model(group_name(name, SEED_PATTERN)) for name in sorted(names))
    model = next((model for model in models if model is not None), None)
    return model if model is not None and PUBLISHED_MODELS[model].kind == entry.group else None
