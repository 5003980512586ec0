"""Make the notebooks of the site from its tutorials: `python -m tests.docs.notebooks`."""

import json
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
NOTEBOOKS = DOCS / "notebooks"
TUTORIALS = ("score_my_model", "train_my_corpus")
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
_RUN = re.compile(r"^<!-- test: (run|slow) -->\n```bash$", flags=re.MULTILINE)
_OUTPUT = re.compile(r"^<!-- test: output -->\n```text\n.*?^```\n\n?", flags=re.MULTILINE | re.DOTALL)
_SHOWN = re.compile(r"^```bash$", flags=re.MULTILINE)
_NOT_IN_NOTEBOOKS = re.compile(r"^(<!-- test: .*-->|\[Download this page as a notebook\].*)\n", flags=re.MULTILINE)
_SITE_LINK = re.compile(r"\]\((?!https?:|#)([^)]+)\.md(#[^)]*)?\)")


def notebook_of(tutorial: str) -> str:
    """Notebook with the text and the code of a tutorial, the same for every call.

    Commands that the page marks `run` or `slow` become cells; others remain text. Outputs are left out. Links to other
    pages of the site lead to the Markdown files next to the notebook's folder.
    """
    import jupytext

    page = (DOCS / "tutorials" / f"{tutorial}.md").read_text()
    page = _OUTPUT.sub("", page)
    page = _SHOWN.sub("```console", _RUN.sub("```{bash}", page)).replace("```{bash}", "```bash")
    page = _NOT_IN_NOTEBOOKS.sub("", page)
    page = _SITE_LINK.sub(lambda match: f"](../tutorials/{match[1]}.md{match[2] or ''})", page)
    notebook = jupytext.reads(page, fmt="md")
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    notebook.nbformat_minor = 5
    for number, cell in enumerate(notebook.cells):
        if cell.metadata.get("language") == "bash":
            cell["source"] = f"%%bash\n{cell['source']}"
        cell["metadata"] = {}
        cell["id"] = f"cell-{number}"
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main() -> None:
    """Write all notebooks."""
    NOTEBOOKS.mkdir(exist_ok=True)
    for tutorial in TUTORIALS:
        (NOTEBOOKS / f"{tutorial}.ipynb").write_text(notebook_of(tutorial))


if __name__ == "__main__":
    main()
