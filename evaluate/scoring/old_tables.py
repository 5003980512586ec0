"""Score tables of earlier versions, without columns for the kind, parent and seed of a network.

In these tables, only the names show what a network is. This module infers the columns when such a file is read.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

OLD_COLUMNS = ("run", "checkpoint", "step", "epoch", "benchmark", "metric", "stage", "region", "subject", "value")

# Column `checkpoint` of a control: permuted:CHECKPOINT:SEED, untrained:CHECKPOINT_OR_BACKBONE:SEED.
_CONTROL = re.compile(r"(?P<kind>permuted|untrained):(?P<target>.+?)(?::(?P<seed>\d+))?")
# Its column `run`: RUN/FILE (permuted, seed SEED).
_CONTROL_LABEL = re.compile(r"(?P<run>.+)/(?P<file>[^/]+) \((permuted|untrained), seed \d+\)")
_BASELINE = re.compile(r"spectro[-_ ]?temporal", re.IGNORECASE)
_UNTRAINED = re.compile(r"untrained", re.IGNORECASE)


def with_identities(table: pd.DataFrame) -> pd.DataFrame:
    """Infer the kind, parent and seed of each row's network.

    Args:
        table: Score table with empty columns `kind`, `parent` and `seed`.

    Returns:
        The table with these columns filled in.
    """
    runs = _runs_of_checkpoints(table)
    last_steps = table.groupby("run")["step"].max().to_dict()
    columns = ["run", "checkpoint", "step"]
    found = [
        _identify(str(run), str(checkpoint), runs, is_first=step == 0, has_later=last_steps[run] > 0)
        for run, checkpoint, step in table[columns].itertuples(index=False)
    ]
    kinds, parents, seeds = zip(*found, strict=True) if found else ((), (), ())
    return table.assign(kind=list(kinds), parent=list(parents), seed=list(seeds))


def _identify(
    run: str, checkpoint: str, runs: dict[str, str], *, is_first: bool, has_later: bool
) -> tuple[str, str, str]:
    """Infer kind, parent and seed of one row's network."""
    control = _CONTROL.fullmatch(checkpoint)
    if control is not None:
        target = control["target"]
        return control["kind"], runs.get(target) or Path(target).stem, str(int(control["seed"] or 0))
    names = (run, Path(checkpoint).stem)
    if _BASELINE.search(names[0] or names[1]):
        return "baseline", "", ""
    if is_first and (has_later or checkpoint == "" or any(_UNTRAINED.search(name) for name in names)):
        return "untrained", "", ""
    is_file = ":" not in checkpoint or checkpoint.startswith("published:")
    return ("trained" if is_file else "external"), "", ""


def _runs_of_checkpoints(table: pd.DataFrame) -> dict[str, str]:
    """Map each checkpoint to its run, from rows of the checkpoint itself or else from those of its controls."""
    found: dict[str, str] = {}
    of_controls: dict[str, str] = {}
    for checkpoint, run in table[["checkpoint", "run"]].drop_duplicates().itertuples(index=False):
        control, label = _CONTROL.fullmatch(str(checkpoint)), _CONTROL_LABEL.fullmatch(str(run))
        if control is None:
            found |= {str(checkpoint): str(run)} if checkpoint and run else {}
        elif label is not None and label["file"] == Path(control["target"]).stem:
            of_controls[control["target"]] = label["run"]
    return of_controls | found
