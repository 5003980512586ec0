"""The examples of README.md, CONTRIBUTING.md and the site: Python runs, commands are parsed, cheap ones run."""

from pathlib import Path

import pytest
import yaml

from tests.docs.blocks import Block, blocks_of
from tests.docs.commands import commands_in, parse, parse_config
from tests.docs.pages import files_of, run_page

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
OF_TRAINING = {"config", "run_dir", "data", "model", "schedule", "brain", "checkpoint", "best_checkpoint", "trainer"}
"""Keys of a configuration of training; other YAML belongs to other tools."""
SLOW = {f"docs/tutorials/{name}.md" for name in ("read_the_report", "train_my_corpus", "watch_in_time")}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def yaml_blocks(page: Path) -> list[Block]:
    return [block for block in blocks_of(page) if block.language == "yaml" and block.mark != "skip"]


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


@pytest.mark.parametrize("page", [page for page in PAGES if yaml_blocks(page)], ids=name_of)
def test_the_configurations_of_a_page_are_understood(page, tmp_path, monkeypatch, capsys):
    with files_of(page, tmp_path, monkeypatch):
        for number, block in enumerate(yaml_blocks(page)):
            if yaml.safe_load(block.code).keys() <= OF_TRAINING:
                path = tmp_path / f"block{number}.yaml"
                path.write_text(block.code)
                parse_config(path, monkeypatch)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_blocks_are_marked_with_known_words(page):
    for block in blocks_of(page):
        assert block.mark in ("", "run", "slow", "output", "skip"), f"{page}, line {block.line}"
        assert block.language != "sh", f"{page}, line {block.line}: write bash"
