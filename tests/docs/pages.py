"""Running the examples of a page, in order, in a folder of its own."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import pytest

from tests.docs.blocks import blocks_of
from tests.docs.commands import commands_in, run
from tests.docs.prepared import prepare

_READS_PREPARED = 'load_network("runs/demo/checkpoints/last.ckpt")'
"""In the pages whose examples read files of a user."""

NUMBERS_WITHIN = 0.02
"""Releases of PyTorch differ by rounding; examples show two decimals."""


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
    """Run what a page shows: Python unless it is marked `skip`, commands that are marked `run`.

    Fails if a block marked `output` is not what the Python block before it printed.
    """
    if _READS_PREPARED in page.read_text():
        prepare(folder)
    namespace: dict[str, object] = {"__name__": "__main__"}
    printed = io.StringIO()
    with files_of(page, folder, monkeypatch):
        for block in blocks_of(page):
            if block.title or block.mark == "skip":
                continue
            if block.language == "python":
                # Empty lines first: tracebacks then show the lines of the page.
                code = compile("\n" * (block.line - 1) + block.code, str(page), "exec")
                with redirect_stdout(printed := io.StringIO()):
                    exec(code, namespace)
            elif block.mark == "output":
                assert_alike(printed.getvalue(), block.code, f"{page}, line {block.line}")
            elif block.language == "bash" and block.mark == "run":
                for command in commands_in(block.code):
                    run(command, monkeypatch)


def assert_alike(printed: str, shown: str, where: str) -> None:
    """Compare words, whatever is between them; numbers with decimals may differ a little."""
    words, expected = printed.split(), shown.split()
    same_length = len(words) == len(expected)
    assert same_length, f"{where}: the example prints\n{printed}"
    for word, other in zip(words, expected, strict=True):
        is_alike = word == other or (
            "." in other and _number(word) == pytest.approx(_number(other), abs=NUMBERS_WITHIN)
        )
        assert is_alike, f"{where}: shown is {other!r}, the example prints\n{printed}"


def _number(word: str) -> float:
    try:
        return float(word.strip("[](),{}"))
    except ValueError:
        return float("nan")
