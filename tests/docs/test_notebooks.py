"""The notebooks: made from the tutorials, and executed as a reader would."""

import os
import sys
from pathlib import Path

import pytest

from tests.docs.notebooks import NOTEBOOKS, TUTORIALS, notebook_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("tutorial", TUTORIALS)
def test_notebooks_are_those_of_the_tutorials(tutorial):
    pytest.importorskip("jupytext", reason="needs the extra `docs`: make docs")
    assert (NOTEBOOKS / f"{tutorial}.ipynb").read_text() == notebook_of(tutorial), "renew it: make docs"


@pytest.mark.slow
@pytest.mark.parametrize("tutorial", TUTORIALS)
def test_notebooks_run(tutorial, tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat", reason="needs the extra `docs`: make docs")
    nbclient = pytest.importorskip("nbclient", reason="needs the extra `docs`: make docs")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("WANDB_MODE", "offline")
    notebook = nbformat.read(NOTEBOOKS / f"{tutorial}.ipynb", as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
    assert list(tmp_path.rglob("report.html"))
