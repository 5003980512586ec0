"""The tidy table of scores: one row per number, for loggers, commands, figures and reports alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datamodules.files import locked, write_text
from evaluate.scoring.old_tables import OLD_COLUMNS, with_identities
from networks.commands.program import program
from networks.files.lfs_pointers import IS_POINTER, is_pointer_file
from networks.weights.identity import NetworkIdentity

if TYPE_CHECKING:
    import pandas as pd


RUN, CHECKPOINT, STEP, EPOCH = "run", "checkpoint", "step", "epoch"
KIND, PARENT, SEED = "kind", "parent", "seed"
"""With the four columns above: what a network is, see `networks.NetworkIdentity`. Without a seed, it is empty."""
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
"""Rows that agree in these columns measure the same thing: the later row replaces the earlier one."""

ENCODING_R2 = "encoding_r2"
ENCODING_R2_CORRECTED = "encoding_r2_corrected"
BEST_STAGE_R2 = "best_stage_r2"
BEST_STAGE_R2_CORRECTED = "best_stage_r2_corrected"
BEST_STAGE_POSITION = "best_stage_position"
"""Index of the best stage over `num_stages - 1`: 0 is the first stage, 1 the last."""
REGION_STAGE_POSITION = "region_stage_position"
"""Relative position of the stage with the highest median over all splits: the position of a region in the network."""
NUM_UNDEFINED = "num_undefined"
"""Number of (unit, split) pairs without a score, for example if a unit's response is constant."""
NUM_TIES = "num_ties"
"""Number of (unit, split) pairs whose alpha was chosen among several of equal error (no alpha helped)."""
ENCODING_PARTICIPANT_CEILING = "encoding_participant_ceiling"
"""R^2 of responses predicted from those of the other participants; its stage is "all"."""
RSA = "rsa"
"""Similarity of a stage with a subject: median over splits on the test sounds."""
BEST_STAGE_RSA = "best_stage_rsa"
"""The same at the stage that is best on each split's training sounds."""
RSA_CEILING = "rsa_ceiling"
"""Similarity of a subject with the mean of the others; its stage is "all"."""
RSA_NUM_UNDEFINED = "rsa_num_undefined"
"""Number of (subject, split) pairs without a similarity with the stage."""
EFFECTIVE_DIMENSIONALITY = "effective_dimensionality"
EFFECTIVE_DIMENSIONALITY_Z_SCORED = "effective_dimensionality_z_scored"
"""The same for z-scored features, which representational similarity uses."""
WITHIN_CATEGORY_R2 = "within_category_r2"
"""R^2 of predicted and measured responses within the sounds of a category; the name continues with "/CATEGORY"."""
BEST_STAGE_WITHIN_CATEGORY_R2 = "best_stage_within_category_r2"
TEMPORAL_R2 = "temporal_r2"
TEMPORAL_R2_CORRECTED = "temporal_r2_corrected"
"""R^2 of responses in time, without and with noise correction; the metrics of the best stage have the prefix."""
TEMPORAL_R = "temporal_r"
"""Correlation over test sounds in one time bin: `temporal_r/SECONDS`, with the centre of the bin."""
TEMPORAL_PARTICIPANT_CEILING = "temporal_participant_ceiling"
"""R^2 of responses in time predicted from those of the other participants; its stage is "all"."""
TEMPORAL_PEAK_LAG_S = "temporal_peak_lag_s"
"""Lag in seconds whose part of the prediction has the largest variance."""
BEHAVIOUR_ACCURACY, BEHAVIOUR_ERROR = "behaviour_accuracy", "behaviour_error"
"""Fraction of sounds that a head names rightly, and its standard error; regions are conditions."""
BEHAVIOUR_R, BEHAVIOUR_RMSE = "behaviour_r", "behaviour_rmse"
"""Correlation and root mean square difference of a head's and listeners' accuracy over conditions."""
BEHAVIOUR_NUM_UNKNOWN = "behaviour_num_unknown"
"""Number of sounds that are left out because their label is not a class of the network."""
HUMAN_ACCURACY, HUMAN_ERROR = "human_accuracy", "human_error"
"""The same of listeners; the stage is "all"."""
PARTITION_UNIQUE = "partition_unique_r2"
PARTITION_SHARED = "partition_shared_r2"
PARTITION_UNIQUE_TO_REFERENCE = "partition_reference_unique_r2"
PARTITION_R2, PARTITION_R2_OF_REFERENCE, PARTITION_R2_OF_BOTH = (
    "partition_r2",
    "partition_reference_r2",
    "partition_both_r2",
)
"""What a network explains and a reference does not, what they share, what only the reference explains; and the R^2 of
the network, of the reference and of both. The name of the reference follows after a slash."""
PARTITION_CORRECTED = "_corrected"
"""Suffix of these names for values that are corrected for noise."""
PROBE_ACCURACY, PROBE_STANDARD_ERROR, PROBE_CHANCE, PROBE_PENALTY = (
    "probe_accuracy",
    "probe_standard_error",
    "probe_chance",
    "probe_penalty",
)
"""Linear probes of labelled sounds. Subject "fold 2" is one fold, "all" the mean; the sounds are the benchmark."""
PROBE_METRICS = (PROBE_ACCURACY, PROBE_STANDARD_ERROR, PROBE_CHANCE, PROBE_PENALTY)
FAILED = "failed"
"""Metric of the row of an evaluation that raised; its value is NaN."""

STAGE_METRICS = (ENCODING_R2, ENCODING_R2_CORRECTED)
BEST_METRICS = (BEST_STAGE_R2, BEST_STAGE_R2_CORRECTED)
ITERATION, SPLIT = "iteration", "split"
"""Subjects with these names and a number (`is_numbered`) are not participants, but iterations of the stage selection of
components, and splits of the sounds, mean over participants."""
NUM_TRAIN_SOUNDS, NUM_TEST_SOUNDS = "num_train_sounds", "num_test_sounds"
"""Numbers of sounds of each split that the encoding model was fitted to and tested on."""
BEST = "best"
"""In the column `stage`: the best stage, selected on other splits than those that give its score."""

SCORES_FILE = "scores.csv"
PROBE_FILE = "probe.csv"

_NETWORK_COLUMNS = (RUN, CHECKPOINT, STEP)
_INTEGER_COLUMNS = (STEP, EPOCH)
_TEXT_COLUMNS = tuple(name for name in COLUMNS if name not in (*_INTEGER_COLUMNS, VALUE))


class TableError(ValueError):
    """A file that is missing or is not a score table."""


def make_table(rows: list[dict[str, Any]] | pd.DataFrame) -> pd.DataFrame:
    """Bring rows into the columns and types of a score table.

    Args:
        rows: Dictionaries (or a frame) with all of `COLUMNS`.

    Returns:
        A frame with `COLUMNS` in order, integers for step and epoch, float64 for value, text elsewhere.

    Raises:
        TableError: A column is missing, unknown or of the wrong type; the message names it.
    """
    import pandas as pd

    table = pd.DataFrame(rows if len(rows) or isinstance(rows, pd.DataFrame) else {name: [] for name in COLUMNS})
    missing = [name for name in COLUMNS if name not in table.columns]
    unknown = [str(name) for name in table.columns if name not in COLUMNS]
    if missing or unknown:
        raise TableError(
            f"expected the columns {', '.join(COLUMNS)}; missing: {', '.join(missing) or 'none'}; "
            f"unknown: {', '.join(unknown) or 'none'}"
        )
    types = dict.fromkeys(_TEXT_COLUMNS, "str") | dict.fromkeys(_INTEGER_COLUMNS, "int64") | {VALUE: "float64"}
    try:
        return table[list(COLUMNS)].astype(types).reset_index(drop=True)
    except (ValueError, TypeError) as error:
        raise TableError(f"expected numbers in step, epoch and value: {error}") from error


def identified(rows: Sequence[dict[str, Any]], benchmark_name: str, identity: NetworkIdentity) -> pd.DataFrame:
    """Make a score table from the rows of a metric (`evaluate.metrics.table_rows`) on a benchmark and a network."""
    shared = asdict(identity) | {SEED: "" if identity.seed is None else str(identity.seed), BENCHMARK: benchmark_name}
    return make_table([shared | row for row in rows])


def failed_row(benchmark_name: str, identity: NetworkIdentity) -> pd.DataFrame:
    """Make the row that marks an evaluation that raised: metric "failed", value NaN."""
    row = {METRIC: FAILED, STAGE: "all", REGION: "all", SUBJECT: "all", VALUE: float("nan")}
    return identified([row], benchmark_name, identity)


def merge_rows(table: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Add rows to a table; a new row replaces an old one with the same key.

    Args:
        table: A score table.
        rows: A score table with the new rows.

    Returns:
        A new table with each key once. Networks stay in their order, new ones come last; the rows of a network are old
        ones first, then new ones.
    """
    import pandas as pd

    if table.empty or rows.empty:
        merged = rows if table.empty else table
    else:
        merged = pd.concat([table, rows], ignore_index=True)
    places = _places_of_networks(merged)
    merged = merged[~merged.duplicated(list(KEY_COLUMNS), keep="last")]
    return merged.loc[places[merged.index].sort_values(kind="stable").index].reset_index(drop=True)


def in_order_of(table: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Put networks in the order in which they are in other rows; networks that are not in these keep their places.

    Args:
        table: A score table.
        rows: Rows of some of its networks.

    Returns:
        The same rows, in another order.
    """
    identities, wanted = (
        list(each[list(_NETWORK_COLUMNS)].itertuples(index=False, name=None)) for each in (table, rows)
    )
    found = dict.fromkeys(identities)
    named = iter([network for network in dict.fromkeys(wanted) if network in found])
    is_named = set(wanted)
    order = {next(named) if network in is_named else network: place for place, network in enumerate(found)}
    places = sorted(range(len(table)), key=lambda row: order[identities[row]])  # a stable order
    return table.iloc[places].reset_index(drop=True)


def _places_of_networks(table: pd.DataFrame) -> pd.Series:
    """Number the networks of rows by their first appearance."""
    return table.groupby(list(_NETWORK_COLUMNS), sort=False, dropna=False).ngroup()


def order_networks(path: str | Path, rows: pd.DataFrame) -> pd.DataFrame:
    """Order the networks in the table of a file, see `in_order_of`, and return the whole table."""
    return _change(Path(path), lambda table: in_order_of(table, rows))


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a score table; numbers are read exactly as they were written.

    Tables of earlier versions, without the columns `kind`, `parent` and `seed`, are read as well.

    Args:
        path: A CSV file written by `append_rows`.

    Returns:
        The table, see `make_table`.

    Raises:
        TableError: The file is missing, is not a CSV file, or has other columns; the message names it.
    """
    import pandas as pd

    path = Path(path)
    if not path.is_file():
        raise TableError(
            f"there is no score table {path}: check the path, or make it with `{program('evaluate', 'score')}`"
        )
    if is_pointer_file(path):
        raise TableError(f"{path}: {IS_POINTER}")
    try:
        text = pd.read_csv(path, dtype=str, keep_default_na=False)
        if set(text.columns) == set(OLD_COLUMNS):
            return make_table(with_identities(make_table(text.assign(**dict.fromkeys((KIND, PARENT, SEED), "")))))
        return make_table(text)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, TableError) as error:
        raise TableError(f"{path} is not a score table: {error}") from error


def append_rows(path: str | Path, rows: pd.DataFrame) -> pd.DataFrame:
    """Merge rows into the table in a file and return the whole table.

    The file is complete at every moment. Several processes may append at once, such as a training run and a watcher:
    each waits for the other (`datamodules.files.locked`), and no rows are lost.

    Args:
        path: CSV file; created with its folder if it does not exist.
        rows: Rows to add or to replace by key.

    Returns:
        The whole table as it is now in the file.

    Raises:
        TableError: The file exists but is not a score table, or `rows` do not form one.
        OSError: The file cannot be written, or another process holds its lock for too long.
    """
    rows = make_table(rows)
    return _change(Path(path), lambda table: merge_rows(table, rows))


def drop_rows_beyond(path: str | Path, *, run: str, step: int) -> int:
    """Remove the rows of a run beyond the step from which it resumes.

    If training resumes from a checkpoint, scores beyond its step belong to weights that the resumed run may never
    have. Those that it does have are scored again.

    Args:
        path: CSV file; it need not exist.
        run: Name of the run; rows of other runs are kept.
        step: Optimiser step of the checkpoint.

    Returns:
        Number of rows removed.

    Raises:
        TableError: The file is not a score table.
        OSError: As for `append_rows`.
    """
    return len(drop_rows(path, lambda table: (table[RUN] == run) & (table[STEP] > step)))


def drop_rows(path: str | Path, is_dropped: Callable[[pd.DataFrame], pd.Series]) -> pd.DataFrame:
    """Remove rows from the table in a file.

    Args:
        path: CSV file; it need not exist.
        is_dropped: Says of each row of the table whether to remove it.

    Returns:
        The rows that were removed.

    Raises:
        TableError: The file is not a score table.
        OSError: As for `append_rows`.
    """
    path, dropped = Path(path), make_table([])
    if not path.exists():
        return dropped

    def drop(table: pd.DataFrame) -> pd.DataFrame:
        nonlocal dropped
        found = is_dropped(table)
        dropped = table[found]
        return table[~found].reset_index(drop=True)

    _change(path, drop)
    return dropped


def _change(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    """Read, change and write a table while holding its lock; an unchanged table is not written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        before = read_table(path) if path.exists() else None
        table = change(make_table([]) if before is None else before)
        if before is None or not table.equals(before):
            write_text(path, table.to_csv(index=False, na_rep="nan"), durable=True)
    return table


def is_step_known(step: int, kind: str, parent: str) -> bool:
    """Whether to show the step of a network: it was trained, or is the start of a run.

    Controls and networks that are not of a run have step 0, too, which says nothing about their training.
    """
    return bool(step) or (kind == "untrained" and not parent)


def is_numbered(subject: str, prefix: str) -> bool:
    """Whether a subject is `prefix` and a number, such as "split3"."""
    return subject.startswith(prefix) and subject.removeprefix(prefix).isdecimal()


def summary_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Select the rows with subject "all": means over participants, or components."""
    return table[table[SUBJECT] == "all"]
