"""The documentation site: it builds without warnings or a network, and holds every public name and command."""

import importlib
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
PACKAGES = ("networks", "evaluate", "datamodules", "train")
LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
"""Attributes that a browser follows by itself, by element."""


class Loaded(HTMLParser):
    """Addresses that a page loads by itself, without a click."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if values.get("rel") not in ("canonical", "next", "prev"):
            self.addresses += [value for name, value in attrs if name == LOADS.get(tag) and value]


@pytest.mark.slow
def test_the_site_builds_holds_every_public_name_and_loads_nothing_from_elsewhere(tmp_path):
    pytest.importorskip("mkdocs", reason="needs the extra `docs`: make docs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    finished = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        parser = Loaded()
        parser.feed(page.read_text())
        assert [each for each in parser.addresses if each.startswith(("http:", "https:", "//"))] == [], page
    for package in PACKAGES:
        reference = (tmp_path / "reference" / f"{package}.html").read_text()
        for name, home in importlib.import_module(package)._HOMES.items():
            if home.startswith(f"{package}."):  # the others are in the reference of their own package
                assert f'id="{package}.{name}"' in reference, f"{package}.{name} is not in the reference"
    for style in tmp_path.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//", style.read_text()), style


@pytest.mark.parametrize("package", ["networks", "datamodules", "evaluate"])
def test_the_reference_holds_every_command(package):
    text = (REFERENCE / "commands.md").read_text()
    section = text.partition(f"(`cochlearn {package}`)")[2].partition("\n## ")[0]
    documented = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.+?) \|", section, flags=re.MULTILINE))))
    commands = set(importlib.import_module(f"{package}.__main__").COMMANDS)
    assert documented == commands - {"show"}  # which is a command of training


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    listed = set(re.findall(r"([\w/]+\.md)", navigation))
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert pages == listed
