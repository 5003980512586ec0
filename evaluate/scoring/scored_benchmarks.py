"""Which benchmarks the scores of a folder are of: a table names them, but two may have one name."""

import json
from collections.abc import Iterable
from pathlib import Path

from datamodules.files import write_json
from evaluate.benchmarks.benchmark import Benchmark
from networks.text.wording import counted

BENCHMARKS_FILE = "benchmarks.json"
"""Next to a score table: by name, what the benchmarks of its scores are."""


def save_benchmarks(folder: str | Path, benchmarks: Iterable[Benchmark]) -> None:
    """Save what benchmarks are next to a score table, in addition to those saved before.

    Args:
        folder: Folder of the table.
        benchmarks: Benchmarks that were scored.
    """
    before = load_benchmarks(folder)
    after = {name: list(descriptions) for name, descriptions in before.items()}
    for benchmark in benchmarks:
        known = after.setdefault(benchmark.name, [])
        if (description := describe(benchmark)) not in known:
            known.append(description)
    if after != before:
        write_json(Path(folder) / BENCHMARKS_FILE, after)


def load_benchmarks(folder: str | Path) -> dict[str, list[str]]:
    """Load what `save_benchmarks` saved; empty without the file, or if it is damaged."""
    try:
        content = json.loads((Path(folder) / BENCHMARKS_FILE).read_text(encoding="utf-8"))
        return {str(name): [str(each) for each in descriptions] for name, descriptions in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def describe(benchmark: Benchmark) -> str:
    """Say by what benchmarks of one name differ, the same on every machine: their version and size."""
    num_subjects = benchmark.units["subject"].nunique()
    return (
        f"version {benchmark.version}, {counted(benchmark.num_stimuli, 'stimulus')}, "
        f"{counted(benchmark.num_units, 'unit')}, {counted(num_subjects, 'subject')}"
    )


def find_mixed(folders: Iterable[str | Path]) -> list[str]:
    """Find benchmarks that differ although they have one name, so that their scores cannot be compared.

    Args:
        folders: Folders of score tables that are shown together.

    Returns:
        A sentence for each such name.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for folder in folders:
        for name, descriptions in load_benchmarks(folder).items():
            for description in descriptions:
                found.setdefault(name, {}).setdefault(description, []).append(str(folder))
    return [
        f"scores of different benchmarks named {name!r} are shown together and cannot be compared: "
        + "; ".join(f"{description} in {', '.join(where)}" for description, where in variants.items())
        + " (give each a name of its own)"
        for name, variants in found.items()
        if len(variants) > 1
    ]
