"""CONTRIBUTING.md: its map names every folder, its links lead somewhere, in the repository and on the site."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("networks", "datamodules", "evaluate", "train")
PAGES = (ROOT / "CONTRIBUTING.md", ROOT / "docs" / "contributing.md")


def folders_of_the_map() -> set[str]:
    """Folders as paths, from the indented lines of the map."""
    text = (ROOT / "CONTRIBUTING.md").read_text().partition("```text\n")[2].partition("```")[0]
    found, parents = set(), []
    for line in text.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        parents = [*parents[:depth], line.split()[0].rstrip("/")]
        found.add("/".join(parents))
    return found


def test_the_map_names_every_folder():
    packages = {
        path.parent.relative_to(ROOT).as_posix() for name in PACKAGES for path in (ROOT / name).rglob("__init__.py")
    }
    listed = folders_of_the_map()
    assert {path for path in listed if path.partition("/")[0] in PACKAGES} == packages
    assert all((ROOT / path).is_dir() for path in listed)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_links_lead_somewhere(page):
    targets = dict(re.findall(r"^\[(\w+)\]: (\S+)$", page.read_text(), flags=re.MULTILINE))
    assert targets.keys() == set(re.findall(r"\]\[(\w+)\]", PAGES[0].read_text()))
    for target in targets.values():
        assert (page.parent / target).is_file(), target


def test_every_target_of_the_makefile_that_it_names_exists():
    makefile = (ROOT / "Makefile").read_text()
    for page in (*PAGES, *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"(?:`|^)make ([a-z][\w-]+)", page.read_text(), flags=re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), f"{page}: make {target}"


def test_the_hooks_are_those_of_make_lint():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    lint = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    for hook in hooks:
        assert hook["language"] == "system"
        command = hook["entry"].replace(" --force-exclude", "").replace(" --check", "")
        assert command in lint.replace("$(VENV)/bin/", ""), hook["entry"]
