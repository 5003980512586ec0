"""What a run page is made of; its parts and markup are those of the report (`evaluate.report.page`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from evaluate.report.page import Cell, Heading, Paragraph, Part, ValueTable, render


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

    def parts(self) -> Iterator[Part]:
        """Name, state, the facts as a table of one row, and the note."""
        yield Heading(self.name, 1)
        yield Paragraph(self.state, "soft" if self.refresh_s is None else "")
        cells = [Cell(value) for value in self.facts.values()]
        yield ValueTable(list(self.facts), [cells], text_columns=range(len(cells)))
        yield Paragraph(self.note, "soft")


def render_run_page(head: PageHead, sections: Sequence[Section]) -> str:
    """Make a page that needs no other file.

    Args:
        head: Top of the page.
        sections: Sections, in order. All text is escaped: names of runs, tasks and labels are never markup.

    Returns:
        An HTML document.
    """
    parts = list(head.parts())
    for section in sections:
        parts += [Heading(section.title, 2), *section.parts]
    return render(head.name, parts, refresh_s=head.refresh_s)
