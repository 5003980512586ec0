"""Blocks of code in a Markdown page, and what the page says about testing them.

A block is marked by a comment on the line before its fence: `<!-- test: run -->`, `<!-- test: slow -->` (run in the
notebooks alone), `<!-- test: output -->` (what the Python block before it prints) or `<!-- test: skip, REASON -->`.
A block with a title is a file: ```` ```yaml title="mine.yaml" ````.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^`]*)$")
_TITLE = re.compile(r"title=\"([^\"]+)\"")
_MARK = re.compile(r"<!-- test: (\w+)(?:, .+)? -->")


class Block(NamedTuple):
    """A fenced block.

    Attributes:
        language: Word after the fence, "" if missing.
        code: Content, without the indentation of the fence.
        line: Number of the first line of the content, from 1.
        title: File that the block is shown as, "" if it is none.
        mark: "run", "slow", "output", "skip" or "".
    """

    language: str
    code: str
    line: int
    title: str
    mark: str


def blocks_of(page: Path) -> list[Block]:
    """All fenced blocks of a page, in order."""
    return list(_blocks(page.read_text().splitlines()))


def _blocks(lines: list[str]) -> Iterator[Block]:
    start = None
    for number, line in enumerate(lines):
        match = _FENCE.match(line)
        if match is None:
            continue
        if start is None:
            start, info, indent = number, match["info"].strip(), len(match["indent"])
            marked = _MARK.search(lines[number - 1]) if number else None
        else:
            title = _TITLE.search(info)
            yield Block(
                language=info.partition(" ")[0],
                code="".join(f"{each[indent:]}\n" for each in lines[start + 1 : number]),
                line=start + 2,
                title=title[1] if title else "",
                mark=marked[1] if marked else "",
            )
            start = None
    assert start is None, f"the block in line {start} does not end"
