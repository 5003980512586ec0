"""Self-contained HTML pages: this module has their parts, `templates/` their markup.

Names of runs, stages and benchmarks come from users and are never markup: the templates escape everything.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

MAX_COLUMNS_WITH_INLINE_NOTES, MAX_COLUMNS_WITH_TWO_INLINE_NOTES = 9, 4
"""Wider tables, with one or with two notes in a cell, show the notes below the values instead of next to them."""


@dataclass(frozen=True)
class Heading:
    """A heading.

    Attributes:
        text: The text.
        level: 1 for the page, 2 for a section, 3 for a subsection.
        anchor: Id for `Links`.
    """

    kind: ClassVar[str] = "heading"
    text: str
    level: int
    anchor: str = ""


@dataclass(frozen=True)
class Paragraph:
    """A paragraph; "soft" for remarks, "warning" for errors."""

    kind: ClassVar[str] = "paragraph"
    text: str
    style: Literal["", "soft", "warning"] = ""


@dataclass(frozen=True)
class Picture:
    """A figure.

    Attributes:
        svg: The figure as SVG.
        caption: Description below the figure, which is also its alternative text.
    """

    kind: ClassVar[str] = "picture"
    svg: str
    caption: str

    @property
    def address(self) -> str:
        """The figure as a data URI."""
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg.encode()).decode()}"


class Cell(NamedTuple):
    """A cell of a table.

    Attributes:
        text: The text.
        note: In smaller type after it, such as a standard error.
        second_note: After that, such as another error.
        colour: Colour of a dot before it, such as "#0072B2"; empty for no dot.
        is_filled: Whether the dot is filled, as for trained networks.
    """

    text: str
    note: str = ""
    second_note: str = ""
    colour: str = ""
    is_filled: bool = True


TableRow = Sequence[str | Cell]


@dataclass(frozen=True)
class RowTitle:
    """A row of a table that is the title of the rows below it."""

    text: str


@dataclass(frozen=True)
class ValueTable:
    """A table, which scrolls horizontally if it is wide.

    Attributes:
        columns: Names of the columns.
        rows: Rows with one cell per column, and titles of groups of them.
        caption: Sentence above the table.
        published: More rows, in a style that marks them as published values.
        text_columns: Columns of words, which are aligned left; numbers are aligned right.
    """

    kind: ClassVar[str] = "table"
    columns: Sequence[str]
    rows: Sequence[TableRow | RowTitle]
    caption: str = ""
    published: Sequence[TableRow] = ()
    text_columns: Sequence[int] = (0,)

    @property
    def is_dense(self) -> bool:
        """Whether the table is too wide for notes next to the values."""
        has_two = any(cell.second_note for row in self.cells if not isinstance(row, RowTitle) for cell in row)
        return len(self.columns) > (MAX_COLUMNS_WITH_TWO_INLINE_NOTES if has_two else MAX_COLUMNS_WITH_INLINE_NOTES)

    @property
    def head_cells(self) -> list[Cell]:
        """The column names as cells."""
        return _cells(self.columns)

    @property
    def cells(self) -> list[list[Cell] | RowTitle]:
        """The rows, with plain text converted to cells."""
        return [row if isinstance(row, RowTitle) else _cells(row) for row in self.rows]

    @property
    def published_cells(self) -> list[list[Cell]]:
        """The published rows, with plain text converted to cells."""
        return [_cells(row) for row in self.published]


@dataclass(frozen=True)
class Folded:
    """Parts that are hidden until their title is clicked."""

    kind: ClassVar[str] = "folded"
    title: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Links:
    """Links to headings: anchor -> text."""

    kind: ClassVar[str] = "links"
    places: Mapping[str, str]


Part = Heading | Paragraph | Picture | ValueTable | Folded | Links


def render(title: str, parts: Iterable[Part], *, refresh_s: int | None = None) -> str:
    """Render a page without scripts and external links, with figures and style embedded.

    Args:
        title: Title of the page.
        parts: Its parts.
        refresh_s: Seconds after which a browser reloads the page; None for never.

    Returns:
        An HTML document.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("evaluate.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template("page.html").render(title=title, parts=parts, refresh_s=refresh_s)


def _cells(row: TableRow) -> list[Cell]:
    return [cell if isinstance(cell, Cell) else Cell(cell) for cell in row]
