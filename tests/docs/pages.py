"""Running the examples of a page, in order, in a folder of its own."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs.blocks import blocks_of
from tests.docs.commands import commands_in, run


@contextmanager
def files_of(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in a folder with the files that a page shows: its blocks with a title.

    Args:
        page: A Markdown file.
        folder: Working directory, from which modules are imported too.
        monkeypatch: Undoes the changes to this process.
    """
    for block in blocks_of(page):
        if block.title:
            path = folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.code)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    modules = set(sys.modules)
    yield
    for name in set(sys.modules) - modules:  # the page's own, which another page may have too
        file = getattr(sys.modules[name], "__file__", None)
        if file and Path(file).is_relative_to(folder):
            del sys.modules[name]


def run_page(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run what a page shows: Python unless it is marked `skip`, commands that are marked `run`."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    with files_of(page, folder, monkeypatch):
        for block in blocks_of(page):
            if block.title or block.mark == "skip":
                continue
            if block.language == "python":
                # Empty lines first: tracebacks then show the lines of the page.
                exec(compile("\n" * (block.line - 1) + block.code, str(page), "exec"), namespace)
            elif block.language == "bash" and block.mark == "run":
                for command in commands_in(block.code):
                    run(command, monkeypatch)
