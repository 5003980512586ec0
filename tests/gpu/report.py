"""Numbers of the GPU check with their goals: gathered as they come, one table and one JSON file at the end."""

import importlib.metadata
import json
import platform
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

PACKAGES = ("torch", "torchaudio", "triton", "pytorch-lightning", "torchmetrics", "numpy", "scipy", "pandas")


@dataclass(frozen=True)
class Number:
    """A measured number.

    Attributes:
        section: part of the check that measured it.
        name: what was measured.
        value: the number.
        unit: its unit, "" for a ratio.
        goal: what it should reach, None where nothing is asked.
        goal_is: whether the goal is the least or the most that is right.
    """

    section: str
    name: str
    value: float
    unit: str = ""
    goal: float | None = None
    goal_is: Literal["at most", "at least"] = "at most"

    @property
    def is_reached(self) -> bool | None:
        """Whether the goal is reached; None without a goal."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.goal_is == "at most" else self.value >= self.goal


@dataclass
class Section:
    """How a part of the check ended.

    Attributes:
        status: "done", "failed", or "stopped" at its time limit.
        seconds: how long it took.
        error: what went wrong.
    """

    status: Literal["done", "failed", "stopped"]
    seconds: float
    error: str = ""


class Recorder:
    """Writes numbers to a file as they are measured, so that a section that fails leaves what it has.

    Args:
        section: name of the section.
        file: a JSON object per line.
        console: where progress goes.
    """

    def __init__(self, section: str, file: Path, console: Console) -> None:
        self._section, self._file, self._console = section, file, console

    def add(self, name: str, value: float, unit: str = "", **goal: Any) -> None:
        """Record a number, see :class:`Number`."""
        number = Number(self._section, name, float(value), unit, **goal)
        with self._file.open("a") as file:
            file.write(json.dumps(asdict(number)) + "\n")
        self._console.print(f"  {name}: {number.value:.4g} {unit}", highlight=False)


def read_numbers(file: Path) -> list[Number]:
    """Numbers that a Recorder wrote."""
    return [Number(**json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []


def machine() -> dict[str, Any]:
    """Names and versions of what was measured on; reads the card's name without starting CUDA."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "card": _nvidia("name"),
        "driver": _nvidia("driver_version"),
        "python": platform.python_version(),
        "processor": _processor(),
        "packages": versions,
    }


def _nvidia(field: str) -> str | None:
    command = ["nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0].strip()
    except (OSError, subprocess.CalledProcessError, IndexError):
        return None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} threads" if names else platform.processor()


def as_json(kind: str, about: dict[str, Any], sections: dict[str, Section], numbers: list[Number]) -> dict[str, Any]:
    """What the JSON file holds; whether a rehearsal reaches a goal is no matter."""
    is_real = kind == "measurement"
    return {
        "kind": kind,
        **about,
        "sections": {name: asdict(section) for name, section in sections.items()},
        "numbers": [asdict(number) | {"is_reached": number.is_reached if is_real else None} for number in numbers],
    }


def as_table(kind: str, title: str, sections: dict[str, Section], numbers: list[Number]) -> Table:
    """All numbers, with what is asked of them, and the sections that did not come to their end."""
    table = Table("section", "number", "value", "goal", "", title=title)
    for name, section in sections.items():
        for number in (one for one in numbers if one.section == name):
            goal = "" if number.goal is None else f"{number.goal_is} {number.goal:g} {number.unit}"
            is_reached = number.is_reached if kind == "measurement" else None
            mark = {None: "", True: "reached", False: "[red]missed"}[is_reached]
            table.add_row(name, number.name, f"{number.value:.4g} {number.unit}", goal, mark)
        if section.status != "done":
            table.add_row(
                name, f"[red]{section.status}", "", "", section.error.splitlines()[-1] if section.error else ""
            )
        table.add_section()
    return table
