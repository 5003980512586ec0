"""The unit tables of the published voxels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evaluate.benchmarks.benchmark import NO_REGION
from evaluate.benchmarks.problems import BenchmarkError, shorten
from evaluate.benchmarks.published.pickled_tables import read_pickled_table
from networks.text.wording import counted

if TYPE_CHECKING:
    import pandas as pd


UNIT_FIELD, SUBJECT_FIELD, REGION_FIELD = "voxel_id", "subj_idx", "roi_label_general"


def unit_table(path: Path) -> pd.DataFrame:
    """Read the table of a data set's voxels.

    Args:
        path: `df_roi_meta.pkl`, read without running any code in it.

    Returns:
        Its rows, one per voxel, with voxels and participants as integers.

    Raises:
        BenchmarkError: The file cannot be read, lacks a column, or contains a voxel twice; the message names it.
    """
    table = read_pickled_table(path)
    missing = [column for column in (UNIT_FIELD, SUBJECT_FIELD, REGION_FIELD) if column not in table.columns]
    if missing:
        raise BenchmarkError(f"{path} lacks the column {shorten(missing)}; it has {shorten(list(table.columns), 20)}")
    for column in (UNIT_FIELD, SUBJECT_FIELD):
        table[column] = _whole(table[column], f"{path}: column {column!r}")
    doubled = table.duplicated([UNIT_FIELD, SUBJECT_FIELD])
    if doubled.any():
        raise BenchmarkError(
            f"{path}: {counted(int(doubled.sum()), 'voxel', 'occurs')} more than once: {_named(table[doubled])}"
        )
    return table


def match_table(table: pd.DataFrame, voxels: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Put the table's rows in the order of the responses.

    Args:
        table: Result of `unit_table`.
        voxels: One row per voxel of the responses, with `voxel_id` and, if known, `subj_idx`.
        path: File of the table, for messages.

    Returns:
        Units of a benchmark: `unit`, `subject`, `region` and the table's other columns.

    Raises:
        BenchmarkError: A voxel occurs twice in the responses or is missing in the table, or the table has other voxels.
    """
    import pandas as pd

    keys = list(voxels.columns)
    wanted = voxels.assign(**{key: _whole(voxels[key], f"the voxels' {key}") for key in keys})
    doubled = wanted.duplicated(keys)
    if doubled.any():
        raise BenchmarkError(
            f"the responses have {counted(int(doubled.sum()), 'voxel')} twice: {_named(wanted[doubled])}"
        )
    matched = wanted.merge(table.assign(_row=range(len(table))), on=keys, how="left", validate="one_to_many")
    lost = matched["_row"].isna()
    if lost.any():
        raise BenchmarkError(
            f"{path} lacks {int(lost.sum())} of {len(wanted)} voxels of the responses: "
            f"{_named(matched.loc[lost, keys])}"
        )
    others = table[~np.isin(np.arange(len(table)), matched["_row"])]
    if len(others) or len(matched) != len(wanted):
        raise BenchmarkError(
            f"{path} has {counted(len(table), 'row')}, but the responses have {len(wanted)} voxels; without responses: "
            f"{_named(others)}"
        )
    region = matched[REGION_FIELD]
    units = pd.DataFrame(
        {
            "unit": matched[UNIT_FIELD].astype(int).astype(str),
            "subject": matched[SUBJECT_FIELD].astype(int).astype(str),
            "region": region.where(region.notna(), NO_REGION),
        }
    )
    return units.join(matched.drop(columns=[UNIT_FIELD, SUBJECT_FIELD, REGION_FIELD, "_row"]))


def _whole(values: pd.Series, what: str) -> pd.Series:
    import pandas as pd

    numbers = pd.to_numeric(values, errors="coerce")
    if numbers.isna().any() or (numbers % 1 != 0).any():
        raise BenchmarkError(f"{what} contains values that are not integers")
    return numbers.astype("int64")


def _named(rows: pd.DataFrame) -> str:
    keys = [key for key in (SUBJECT_FIELD, UNIT_FIELD) if key in rows.columns]
    return shorten([", ".join(f"{key} {row[key]}" for key in keys) for _, row in rows.iterrows()])
