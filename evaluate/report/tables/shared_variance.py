"""What networks explain alone and share with others: rows for the report, from score tables and pairs of networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from evaluate.benchmarks.benchmark import ALL, NO_REGION
from evaluate.metrics.metric import ScoreKind
from evaluate.metrics.partition.network_parts import HALVES, NOISE_CORRECTED
from evaluate.metrics.partition.partition_metric import row_name
from evaluate.metrics.standard_errors import sound_error, standard_error
from evaluate.report.error_texts import FEW_NOTE, error_text
from evaluate.report.figures.series import Entry, Series
from evaluate.report.page import Cell, Part, TableRow, ValueTable
from evaluate.report.significance import FEW_PARTICIPANTS
from evaluate.report.tables.cells import score_cell
from evaluate.scoring import table as t

if TYPE_CHECKING:
    import pandas as pd

SHOWN = {"unique_a": "only the network", "shared": "shared", "unique_b": "only the reference"}
TOTALS = {"r2_a": "R² of the network", "r2_b": "R² of the reference", "r2_ab": "R² of both"}


def parts_of_rows(rows: pd.DataFrame, kind: ScoreKind, name: str) -> pd.DataFrame:
    """Collect the parts of one network at one step, all stages together, with errors.

    Args:
        rows: Rows of a score table, of one network, step and benchmark.
        kind: Kind of score, of one reference.
        name: Name of the network.

    Returns:
        Columns `a` (the network), `b` (the reference), `part`, `region`, `noise_corrected`, `value`, `error`, `over`
        (what the error is over: "participants" or, for components and single participants, "sounds") and
        `num_participants` (0 for "sounds").
    """
    import pandas as pd

    corrected = kind.stage_metric.partition("/")[0].endswith(t.PARTITION_CORRECTED)
    num_train, num_test = _num_sounds(rows)
    found = []
    for part in (*SHOWN, *TOTALS):
        metric = row_name(part, kind.reference, corrected=corrected)
        here = rows[(rows[t.METRIC] == metric) & (rows[t.STAGE] == ALL) & (rows[t.REGION] != NO_REGION)]
        for region, of_region in here.groupby(t.REGION, sort=False):
            by_subject = of_region.drop_duplicates(t.SUBJECT, keep="last").set_index(t.SUBJECT)[t.VALUE]
            others = by_subject.drop(ALL, errors="ignore")
            is_split = np.array([t.is_numbered(name, t.SPLIT) for name in others.index], dtype=bool)
            if is_split.any():
                error = sound_error(others[is_split].to_numpy(), num_train=num_train, num_test=num_test)
            else:
                error = standard_error(others.to_numpy())
            over, num_participants = ("sounds", 0) if is_split.any() else ("participants", others.notna().sum())
            value = by_subject.get(ALL, float("nan"))
            who = name, kind.reference, part, region, str(corrected)
            found.append((*who, value, float(error), over, num_participants))
    columns = ["a", "b", "part", "region", NOISE_CORRECTED, "value", "error", "over", "num_participants"]
    table = pd.DataFrame(found, columns=columns)
    return table.sort_values("region", key=lambda regions: regions != ALL, kind="stable")


def _num_sounds(rows: pd.DataFrame) -> tuple[float, float]:
    """Training and test sounds of the splits, where encoding has counted them; otherwise, splits are halves."""
    counts = [rows.loc[rows[t.METRIC] == name, t.VALUE] for name in (t.NUM_TRAIN_SOUNDS, t.NUM_TEST_SOUNDS)]
    return HALVES if any(each.empty for each in counts) else (float(counts[0].iloc[-1]), float(counts[1].iloc[-1]))


def parts_of_entries(entries: Sequence[Entry], kind: ScoreKind) -> pd.DataFrame:
    """Collect the parts of several networks, see `parts_of_rows`."""
    import pandas as pd

    return pd.concat([parts_of_rows(entry.rows, kind, entry.label) for entry in entries], ignore_index=True)


def parts_over_training(one: Series, benchmark: str, kind: ScoreKind) -> pd.DataFrame:
    """Collect the parts of a network at each step, with the column `step`; empty if it was scored once."""
    import pandas as pd

    rows = one.rows[one.rows[t.BENCHMARK] == benchmark]
    steps = sorted(set(rows[rows[t.METRIC] == kind.stage_metric][t.STEP]))
    tables = [parts_of_rows(rows[rows[t.STEP] == step], kind, one.name).assign(step=step) for step in steps]
    return pd.concat(tables, ignore_index=True) if len(tables) > 1 else pd.DataFrame()


def parts_table(table: pd.DataFrame) -> Iterator[Part]:
    """Make the table of the parts, over all regions.

    Args:
        table: See `parts_of_entries`.

    Yields:
        One row per network, one column per part; nothing without rows.
    """
    of_all = table[table["region"] == ALL]
    if of_all.empty:
        return
    columns = {**TOTALS, **SHOWN}
    rows: list[TableRow] = []
    for name, of_network in of_all.groupby("a", sort=False):
        cells = of_network.set_index("part").loc[list(columns)]
        rows.append([str(name), *(_cell(row) for _, row in cells.iterrows())])
    reference = of_all["b"].iloc[0]
    caption = (
        f"All stages of a network together, next to all stages of {reference}. Only the network: R² of both minus R² "
        f"of {reference}; shared: R² of the network plus R² of {reference} minus R² of both. Each "
        "number is a median over units of its own, so that the parts need not add up to the R²; ± standard errors."
    )
    if (of_all["num_participants"].between(1, FEW_PARTICIPANTS - 1)).any():
        caption += f" {FEW_NOTE}"
    yield ValueTable(["network", *columns.values()], rows, caption=caption)


def _cell(row: pd.Series) -> Cell:
    return score_cell(row["value"], error_text(row["error"], row["over"], num_participants=row["num_participants"]))
