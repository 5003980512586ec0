"""Trials of listeners: what was right, in which condition, and how often they were right."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evaluate.benchmarks.problems import BenchmarkError, shorten

if TYPE_CHECKING:
    import pandas as pd

CONDITION, ACCURACY, ERROR = "condition", "accuracy", "error"
HUMAN_COLUMNS = (CONDITION, ACCURACY, ERROR)
"""Columns of the human values."""

CLEAN = "clean"
"""Condition of sounds without a background."""

_NAME = re.compile(r"(?P<background>.+), (?P<snr>[+-]?\d+(\.\d+)?) dB")


class Condition(NamedTuple):
    """What is known of a condition from its name: the kind of background, and the SNR in dB if it states one."""

    background: str
    snr_db: float | None


@dataclass(frozen=True, eq=False)
class Trials:
    """What is asked of listeners and networks: to name each sound.

    Attributes:
        task: Name of the network's head that answers.
        labels: (S,) right answer to each sound.
        conditions: (S,) condition of each sound, see `condition_name`.
        humans: Rows with condition, accuracy (from 0 to 1) and error (standard error of the accuracy; NaN if unknown).
            Conditions of sounds that are not in it have no human value.
        classes: Names of the head's classes in the order of its outputs, for networks that do not name their own.

    Raises:
        BenchmarkError: Lengths differ, a column is missing, an accuracy is not between 0 and 1, or a condition of
            listeners has no sounds.
    """

    task: str
    labels: tuple[str, ...]
    conditions: tuple[str, ...]
    humans: pd.DataFrame
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the values."""
        if len(self.labels) != len(self.conditions) or not self.labels:
            raise BenchmarkError(f"trials: {len(self.labels)} labels for {len(self.conditions)} conditions")
        missing = [column for column in (CONDITION, ACCURACY) if column not in self.humans.columns]
        if missing:
            raise BenchmarkError(f"human values: the column {shorten(missing)} is missing")
        humans = self.humans.reindex(columns=list(HUMAN_COLUMNS)).reset_index(drop=True)
        for column in (ACCURACY, ERROR):
            humans[column] = _numbers(humans, column)
        accuracy, error = humans[ACCURACY], humans[ERROR]
        wrong = humans[~accuracy.between(0, 1) | (error < 0) | ~np.isfinite(error.fillna(0))]
        if len(wrong):
            row = wrong.iloc[0]
            raise BenchmarkError(
                f"human values of condition {row[CONDITION]!r}: expected an accuracy between 0 and 1 and an error "
                f"of at least 0, got {row[ACCURACY]} and {row[ERROR]} (divide percentages by 100)"
            )
        if humans[CONDITION].duplicated().any():
            twice = humans[CONDITION][humans[CONDITION].duplicated()]
            raise BenchmarkError(f"human values: more than one row for condition {shorten(list(twice))}")
        unheard = [name for name in humans[CONDITION] if name not in set(self.conditions)]
        if unheard:
            raise BenchmarkError(
                f"human values of conditions without sounds: {shorten(unheard)}; the sounds' conditions are "
                f"{shorten(list(dict.fromkeys(self.conditions)), 10)}"
            )
        object.__setattr__(self, "humans", humans)

    @property
    def names(self) -> tuple[str, ...]:
        """Conditions, in the order of their first sound."""
        return tuple(dict.fromkeys(self.conditions))

    def human(self, column: str) -> np.ndarray:
        """Human accuracy or its error in each of `names`, NaN if unknown."""
        values = self.humans.set_index(CONDITION)[column].reindex(list(self.names))
        return values.to_numpy(dtype=np.float64)


def condition_name(background: str, snr_db: float | None) -> str:
    """Name a condition by its kind of background and its SNR: "clean", "babble", "babble, -3 dB"."""
    if not background:
        return CLEAN
    return background if snr_db is None else f"{background}, {snr_db:+g} dB".replace("+0 dB", "0 dB")


def parse_condition(name: str) -> Condition:
    """Find background and SNR in a condition's name; any other name is a background without an SNR."""
    found = _NAME.fullmatch(name)
    return Condition(found["background"], float(found["snr"])) if found else Condition(name, None)


def named_conditions(table: pd.DataFrame, where: str) -> list[str]:
    """Name the conditions of the rows of a table.

    Args:
        table: Rows with `condition`, or with `background` and, if it varies, `snr_db`; an empty background is none.
        where: The table, for messages.

    Returns:
        A name for each row, in the same form whichever columns are used.

    Raises:
        BenchmarkError: There are no such columns, or an SNR is not a number.
    """
    if CONDITION in table.columns:
        parsed = [parse_condition(str(name).strip()) for name in table[CONDITION]]
        return [condition_name(*each) for each in parsed]
    if "background" not in table.columns:
        raise BenchmarkError(
            f"{where} needs the column `condition`, or `background` and `snr_db`; it has "
            f"{shorten(list(table.columns), 10)}"
        )
    snrs = snrs_of(table, where)
    return [condition_name(str(kind).strip(), snr) for kind, snr in zip(table["background"], snrs, strict=True)]


def snrs_of(table: pd.DataFrame, where: str) -> list[float | None]:
    """Values of the column `snr_db`, None for empty cells; raises `BenchmarkError` for text that is not a number."""
    if "snr_db" not in table.columns:
        return [None] * len(table)
    numbers = _numbers(table, "snr_db", where)
    return [None if np.isnan(value) else float(value) for value in numbers]


def _numbers(table: pd.DataFrame, column: str, where: str = "human values") -> pd.Series[float]:
    import pandas as pd

    try:
        return pd.to_numeric(table[column].replace("", np.nan)).astype(np.float64)
    except (ValueError, TypeError) as error:
        raise BenchmarkError(f"{where}: expected numbers in the column {column!r}: {error}") from error
