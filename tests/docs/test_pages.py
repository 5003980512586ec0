"""The examples of README.md, CONTRIBUTING.md and the site: Python runs, commands are parsed, cheap ones run."""

import importlib
from pathlib import Path

import pytest

from tests.docs.blocks import blocks_of
from tests.docs.commands import commands_in, parse
from tests.docs.pages import run_page

ROOT = Path(__file__).resolve().parents[2]
DRAFT = ROOT / "docs" / "README_draft.md"
PAGES = sorted([ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
PAGES = [page for page in PAGES if page.is_file()]
if not DRAFT.is_file():  # the draft has not yet taken the place of the README
    PAGES.append(ROOT / "README.md")
HAS_OWN_METRICS = "Metric" in importlib.import_module("evaluate").__all__
if not HAS_OWN_METRICS:  # until metrics are single files; delete this with `_is_old` in tests/docs/commands.py
    PAGES.remove(ROOT / "docs" / "tutorials" / "add_a_metric.md")
SLOW = {"docs/tutorials/read_the_report.md", "docs/tutorials/train_my_corpus.md"}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def has_examples(page: Path) -> bool:
    return any(
        (block.language == "python" and block.mark != "skip" and not block.title) or block.mark == "run"
        for block in blocks_of(page)
    )


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=name_of(page), marks=pytest.mark.slow if name_of(page) in SLOW else ())
        for page in PAGES
        if has_examples(page)
    ],
)
def test_the_examples_of_a_page_run(page, tmp_path, monkeypatch):
    run_page(page, tmp_path, monkeypatch)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_commands_of_a_page_are_understood(page, monkeypatch, capsys):
    for block in blocks_of(page):
        if block.language == "bash" and block.mark != "skip":
            for command in commands_in(block.code):
                parse(command, monkeypatch)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_blocks_are_marked_with_known_words(page):
    for block in blocks_of(page):
        assert block.mark in ("", "run", "slow", "skip"), f"{page}, line {block.line}"
        assert block.language != "sh", f"{page}, line {block.line}: write bash"
