"""The tidy table of scores: one row per number, read alike by logger, command, pictures and report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datamodules.files import locked, write_text
from evaluate.scoring.old_tables import OLD_COLUMNS, with_identities
from networks.weights.identity import NetworkIdentity

if TYPE_CHECKING:
    import pandas as pd


RUN, CHECKPOINT, STEP, EPOCH = "run", "checkpoint", "step", "epoch"
KIND, PARENT, SEED = "kind", "parent", "seed"
"""With the four above: what a network is, see `networks.NetworkIdentity`. The seed is empty if there is none."""
BENCHMARK, METRIC, STAGE, REGION, SUBJECT, VALUE = (
    "benchmark",
    "metric",
    "stage",
    "region",
    "subject",
    "value",
)

COLUMNS = (RUN, CHECKPOINT, STEP, EPOCH, KIND, PARENT, SEED, BENCHMARK, METRIC, STAGE, REGION, SUBJECT, VALUE)
KEY_COLUMNS = (RUN, CHECKPOINT, STEP, BENCHMARK, METRIC, STAGE, REGION, SUBJECT)
"""Two rows that agree in these say the same thing: the later replaces the earlier."""

ENCODING_R2 = "encoding_r2"
ENCODING_R2_CORRECTED = "encoding_r2_corrected"
BEST_STAGE_R2 = "best_stage_r2"
BEST_STAGE_R2_CORRECTED = "best_stage_r2_corrected"
BEST_STAGE_POSITION = "best_stage_position"
"""Index of the best stage over `num_stages - 1`: 0 is the first stage, 1 the last."""
REGION_STAGE_POSITION = "region_stage_position"
"""Relative position of the stage with the highest median over all splits: where in the network a region lies."""
NUM_UNDEFINED = "num_undefined"
"""How many (unit, split) pairs have no score, as where a unit's response is constant."""
NUM_TIES = "num_ties"
"""How many (unit, split) pairs chose among alphas of equal error (no alpha helped)."""
RSA = "rsa"
"""Similarity of a stage with a subject: median over splits on the test sounds."""
BEST_STAGE_RSA = "best_stage_rsa"
"""The same at the stage that is best on each split's training sounds."""
RSA_CEILING = "rsa_ceiling"
"""Similarity of a subject with the mean of the others; its stage is "all"."""
RSA_NUM_UNDEFINED = "rsa_num_undefined"
"""How many (subject, split) pairs have no similarity with the stage."""
EFFECTIVE_DIMENSIONALITY = "effective_dimensionality"
EFFECTIVE_DIMENSIONALITY_Z_SCORED = "effective_dimensionality_z_scored"
"""The same of z-scored features, which representational similarity works on."""
WITHIN_CATEGORY_R2 = "within_category_r2"
"""R^2 of predicted and measured responses within the sounds of a category: the metric is this, "/", the category."""
PROBE_ACCURACY, PROBE_STANDARD_ERROR, PROBE_CHANCE, PROBE_PENALTY = (
    "probe_accuracy",
    "probe_standard_error",
    "probe_chance",
    "probe_penalty",
)
"""Linear probes of labelled sounds: subject "fold 2" is a fold, "all" their mean; the benchmark is the sounds."""
PROBE_METRICS = (PROBE_ACCURACY, PROBE_STANDARD_ERROR, PROBE_CHANCE, PROBE_PENALTY)
FAILED = "failed"
"""Marks an evaluation that raised; its value is NaN."""

STAGE_METRICS = (ENCODING_R2, ENCODING_R2_CORRECTED)
BEST_METRICS = (BEST_STAGE_R2, BEST_STAGE_R2_CORRECTED)
ITERATION = "iteration"
"""Subjects of this name and a number are no participants: they are iterations of stage selection (components)."""
BEST = "best"
"""In the column `stage`: the best stage, chosen on other splits than those that it is read out from."""

SCORES_FILE = "scores.csv"
PROBE_FILE = "probe.csv"

_INTEGER_COLUMNS = (STEP, EPOCH)
_TEXT_COLUMNS = tuple(name for name in COLUMNS if name not in (*_INTEGER_COLUMNS, VALUE))


class TableError(ValueError):
    """A score table that is missing or is not one."""


def make_table(rows: list[dict[str, Any]] | pd.DataFrame) -> pd.DataFrame:
    """Bring rows into the columns and types of a score table.

    Args:
        rows: Dictionaries (or a frame) with all of `COLUMNS`.

    Returns:
        A frame with `COLUMNS` in order, integers for step and epoch, float64 for value, text elsewhere.

    Raises:
        TableError: A column is missing, unknown or of the wrong type; names it.
    """
    import pandas as pd

    table = pd.DataFrame(rows if len(rows) or isinstance(rows, pd.DataFrame) else {name: [] for name in COLUMNS})
    missing = [name for name in COLUMNS if name not in table.columns]
    unknown = [str(name) for name in table.columns if name not in COLUMNS]
    if missing or unknown:
        raise TableError(
            f"a score table has the columns {', '.join(COLUMNS)}; missing: {', '.join(missing) or 'none'}; "
            f"unknown: {', '.join(unknown) or 'none'}"
        )
    types = dict.fromkeys(_TEXT_COLUMNS, "str") | dict.fromkeys(_INTEGER_COLUMNS, "int64") | {VALUE: "float64"}
    try:
        return table[list(COLUMNS)].astype(types).reset_index(drop=True)
    except (ValueError, TypeError) as error:
        raise TableError(f"a score table has numbers in step, epoch and value: {error}") from error


def identified(rows: Sequence[dict[str, Any]], benchmark_name: str, identity: NetworkIdentity) -> pd.DataFrame:
    """Add the columns that all rows of one evaluation share.

    Args:
        rows: Rows of a metric, see `evaluate.metrics.table_rows`.
        benchmark_name: Benchmark that was scored on.
        identity: What was scored.

    Returns:
        A score table.
    """
    shared = asdict(identity) | {SEED: "" if identity.seed is None else str(identity.seed), BENCHMARK: benchmark_name}
    return make_table([shared | row for row in rows])


def failed_row(benchmark_name: str, identity: NetworkIdentity) -> pd.DataFrame:
    """Make the row that marks an evaluation that raised: metric "failed", value NaN."""
    row = {METRIC: FAILED, STAGE: "all", REGION: "all", SUBJECT: "all", VALUE: float("nan")}
    return identified([row], benchmark_name, identity)


def merge_rows(table: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Add rows to a table; a row whose key is there already replaces the old one.

    Args:
        table: A score table.
        rows: Another.

    Returns:
        A new table: old rows first, new rows last, each key once.
    """
    import pandas as pd

    if table.empty or rows.empty:
        merged = rows if table.empty else table
    else:
        merged = pd.concat([table, rows], ignore_index=True)
    return merged.drop_duplicates(list(KEY_COLUMNS), keep="last").reset_index(drop=True)


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a score table; numbers come back exactly as they were written.

    Tables of earlier versions, without the columns `kind`, `parent` and `seed`, are read as well.

    Args:
        path: A CSV file written by `append_rows`.

    Returns:
        The table, see `make_table`.

    Raises:
        TableError: The file is missing, is no CSV file, or has other columns; names the file.
    """
    import pandas as pd

    path = Path(path)
    if not path.is_file():
        raise TableError(f"there is no score table {path}")
    try:
        text = pd.read_csv(path, dtype=str, keep_default_na=False)
        if set(text.columns) == set(OLD_COLUMNS):
            return make_table(with_identities(make_table(text.assign(**dict.fromkeys((KIND, PARENT, SEED), "")))))
        return make_table(text)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, TableError) as error:
        raise TableError(f"{path} is not a score table: {error}") from error


def append_rows(path: str | Path, rows: pd.DataFrame) -> pd.DataFrame:
    """Merge rows into the table in a file, which is whole at every moment.

    Several processes may do so at once, a training run and a watcher beside it: each waits for the other
    (`datamodules.files.locked`), and none loses rows.

    Args:
        path: CSV file; made, with its folder, where it does not exist.
        rows: Rows to add or to replace by key.

    Returns:
        The whole table as it is in the file now.

    Raises:
        TableError: The file is there but is not a score table, or `rows` are not right.
        OSError: The file cannot be written, or another process holds its lock for too long.
    """
    rows = make_table(rows)
    return _change(Path(path), lambda table: merge_rows(table, rows))


def drop_rows_beyond(path: str | Path, *, run: str, step: int) -> int:
    """Remove rows of a run's later steps: what was scored in a training that is not the one that goes on.

    Where training goes on from a checkpoint, all that was scored beyond it belongs to weights that it does not go
    through for certain. What it does go through is scored again.

    Args:
        path: CSV file; nothing happens where it does not exist.
        run: Name of the run; rows of others stay.
        step: Optimiser steps of the checkpoint.

    Returns:
        How many rows were removed.

    Raises:
        TableError: The file is not a score table.
        OSError: As `append_rows`.
    """
    path = Path(path)
    if not path.exists():
        return 0
    num_before = 0

    def drop(table: pd.DataFrame) -> pd.DataFrame:
        nonlocal num_before
        num_before = len(table)
        return table[(table[RUN] != run) | (table[STEP] <= step)].reset_index(drop=True)

    table = _change(path, drop)
    return num_before - len(table)


def _change(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    """Read, change and write a table while no other process does; what does not change is not written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        before = read_table(path) if path.exists() else None
        table = change(make_table([]) if before is None else before)
        if before is None or not table.equals(before):
            write_text(path, table.to_csv(index=False, na_rep="nan"), durable=True)
    return table


def summary_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Give the rows that speak for all subjects together.

    Args:
        table: A score table.

    Returns:
        Rows whose subject is "all": means over participants, or components.
    """
    return table[table[SUBJECT] == "all"]
