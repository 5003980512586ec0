"""What a run page is made of, and how it becomes HTML: plain values here, markup in `templates/`."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

MAX_COLUMNS_WITH_INLINE_NOTES = 9
"""Wider tables have the notes of their cells on a line of their own."""


@dataclass(frozen=True)
class Picture:
    """A figure with its caption.

    Attributes:
        svg: The figure.
        caption: What it shows, also for readers who cannot see it.
    """

    kind: ClassVar[str] = "picture"
    svg: str
    caption: str

    @property
    def address(self) -> str:
        """The figure as a data URI, so that the page needs no other file."""
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg.encode()).decode()}"


class Cell(NamedTuple):
    """Text of a table cell, and a note in smaller type."""

    text: str
    note: str = ""


@dataclass(frozen=True)
class ValueTable:
    """A table of values.

    Attributes:
        columns: Names of the columns.
        rows: A cell for each column.
        num_text_columns: Number of columns, from the first, that hold words rather than numbers.
    """

    kind: ClassVar[str] = "table"
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    num_text_columns: int = 1

    @property
    def is_dense(self) -> bool:
        """Whether the table is too wide for notes next to the values."""
        return len(self.columns) > MAX_COLUMNS_WITH_INLINE_NOTES


@dataclass(frozen=True)
class Paragraph:
    """A paragraph.

    Attributes:
        text: The text.
        style: "soft" for a side remark, "warning" for what went wrong, or "".
    """

    kind: ClassVar[str] = "paragraph"
    text: str
    style: str = ""


Part = Picture | ValueTable | Paragraph


@dataclass(frozen=True)
class Section:
    """A section of the page: a title and what is below it."""

    title: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class PageHead:
    """The top of the page: where the run is.

    Attributes:
        name: Name of the run.
        state: The state as a sentence, such as "Training".
        refresh_s: A browser reloads the page after this many seconds; None if the run has ended.
        facts: Name and value, both text: epochs, steps, ...
        note: Where to find more.
    """

    name: str
    state: str
    refresh_s: int | None
    note: str
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def table(self) -> ValueTable:
        """The facts as a table of one row."""
        return ValueTable(list(self.facts), [[Cell(value) for value in self.facts.values()]], len(self.facts))


def render(head: PageHead, sections: Sequence[Section]) -> str:
    """Make a page that needs no other file: no scripts, no links, figures and style inside.

    Args:
        head: Top of the page.
        sections: Sections, in order. All text is escaped: names of runs, tasks and labels are never markup.

    Returns:
        An HTML document.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    from evaluate.report.page import STYLE

    templates = Environment(
        loader=PackageLoader("train.display"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return templates.get_template("run_page.html").render(head=head, sections=sections, style=Markup(STYLE))
