"""What the run page shows of the last validation, kept for a run that resumes: no validation may be due for hours."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from datamodules.files import write_json
from evaluate.report.page import Picture
from train.run.run_directory import PAGE_STATE_FILE


@dataclass
class LastValidation:
    """Values and figures of the last validation.

    Attributes:
        values: Logged values by name, such as "val/mixed/loss".
        pictures: Figures by the title of their section.
        samples_per_s: Training examples per second; None if that is not known.
    """

    values: dict[str, float] = field(default_factory=dict)
    pictures: dict[str, list[Picture]] = field(default_factory=dict)
    samples_per_s: float | None = None

    def write(self, run_dir: Path) -> None:
        """Write it into the run directory."""
        # Pairs: the order of the values is that of conditions and tasks, and JSON files have their keys sorted.
        write_json(run_dir / PAGE_STATE_FILE, asdict(self) | {"values": list(self.values.items())})

    @classmethod
    def read(cls, run_dir: Path) -> LastValidation:
        """Read it from the run directory; empty if the file is missing or damaged: the next validation renews it."""
        try:
            state: Any = json.loads((run_dir / PAGE_STATE_FILE).read_text(encoding="utf-8"))
            return cls(
                values={str(name): float(value) for name, value in state["values"]},
                pictures={
                    str(title): [Picture(str(each["svg"]), str(each["caption"])) for each in pictures]
                    for title, pictures in state["pictures"].items()
                },
                samples_per_s=None if state.get("samples_per_s") is None else float(state["samples_per_s"]),
            )
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return cls()
