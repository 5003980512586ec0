"""What two networks explain of a benchmark alone, and what they share: summaries over units, regions and subjects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from evaluate.benchmarks.benchmark import ALL, Benchmark
from evaluate.metrics.best_stage import mean_defined, median_defined
from evaluate.metrics.standard_errors import sound_error, standard_error
from evaluate.metrics.table_rows import add_means, groupings

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from evaluate.metrics.partition.partition import PartitionResult

PARTS = ("unique_a", "shared", "unique_b", "r2_a", "r2_b", "r2_ab")
"""Parts in the table: what A explains alone, what either explains, what B explains alone; and R^2 of A, B and both."""
KEY_COLUMNS = ("a", "b", "stages_a", "stages_b", "benchmark", "part", "region", "subject")
NOISE_CORRECTED = "noise_corrected"
"""Column that says whether the values are relative to the ceiling of the responses: "True" or "False"."""
COLUMNS = (*KEY_COLUMNS, NOISE_CORRECTED, "value", "error", "mean", "mean_error")
"""Columns of the table of regions and subjects: `value` is a median over units, which is taken of each part on its own,
so that parts do not add up; `mean` is over units and splits, so that they do."""
UNIT_KEY_COLUMNS = (*KEY_COLUMNS, "unit")
UNIT_COLUMNS = (*UNIT_KEY_COLUMNS, NOISE_CORRECTED, "value", "error", "mean")
"""Columns of the table of single units."""
HALVES = (1.0, 1.0)
"""Training and test sounds of splits into halves, as published; only their ratio counts."""
Reduce = Callable[..., np.ndarray]


def joined_space(
    features: Mapping[str, np.ndarray], *, device: torch.device | str = "cpu", memory_limit_gib: float = 2.0
) -> np.ndarray:
    """Put stages side by side, each with the same total variance, so that none counts for its number of units.

    Args:
        features: (S, D) of each stage.
        device: Device to compute on.
        memory_limit_gib: Working memory in GiB.

    Returns:
        (S, at most S times the number of stages) float64 with the same inner products as all features together.
    """
    from evaluate.metrics.encoding.decomposition import compress  # with torch

    spaces = []
    for values in features.values():
        space = compress(values, device=device, memory_limit_gib=memory_limit_gib).cpu().numpy()
        size = np.sqrt((space**2).sum(axis=1).mean())
        spaces.append(space / size if size > 0 else space)
    return np.concatenate(spaces, axis=1)


def part_values(result: PartitionResult, benchmark: Benchmark) -> dict[str, np.ndarray]:
    """Parts (V, splits) of a result by name; those of a benchmark with noise correction relative to its ceiling."""
    ceiling = result.response_ceiling if benchmark.noise_corrected else 1.0
    return {part: getattr(result, part) / ceiling for part in PARTS}


def has_split_errors(benchmark: Benchmark) -> bool:
    """Whether errors of a benchmark are over splits: there are no two subjects to compare."""
    return benchmark.unit_kind == "component" or len(benchmark.subjects) < 2


def values_of_splits(values: np.ndarray, benchmark: Benchmark) -> list[dict[str, float]]:
    """Median over the units (V, splits) of each region, in each split."""
    of_all = {
        region: found
        for (region, subject), found in _by_group(values, benchmark, median_defined).items()
        if subject == ALL
    }
    return [{region: float(found[number]) for region, found in of_all.items()} for number in range(values.shape[1])]


def summarise_parts(
    parts: Mapping[str, np.ndarray], benchmark: Benchmark, *, num_sounds: tuple[float, float] = HALVES
) -> pd.DataFrame:
    """Summarise parts over splits, units and subjects.

    Values are medians over splits, then medians over a subject's units in a region, as in the tables of scores. These
    are taken of each part on its own, and medians of differences are not differences of medians: they do not add up.
    Means over splits and units do: that of what A explains alone and that of what is shared add up to that of A.
    Subject "all" is the mean over subjects.

    Args:
        parts: Values (V, splits) of all units of the benchmark by part, see `part_values`.
        benchmark: Benchmark of the units.
        num_sounds: Numbers of training and test sounds of each split; by default, splits into halves.

    Returns:
        Columns `part`, `region` ("all" first), `subject`, `value`, `error`, `mean` and `mean_error`. Errors are
        standard errors over subjects or, with a single one or components, over sounds (`sound_error`).
    """
    import pandas as pd

    rows = []
    for part in PARTS:
        columns = [
            _with_errors(parts[part], benchmark, over_units, over_splits, num_sounds)
            for over_units, over_splits in ((median_defined, median_defined), (mean_defined, mean_defined))
        ]
        for (region, subject), of_median in sorted(columns[0].items(), key=lambda item: item[0][0] != ALL):
            rows.append((part, region, subject, *of_median, *columns[1][region, subject]))
    return pd.DataFrame(rows, columns=["part", "region", "subject", "value", "error", "mean", "mean_error"])


def unit_parts(
    parts: Mapping[str, np.ndarray], benchmark: Benchmark, *, num_sounds: tuple[float, float] = HALVES
) -> pd.DataFrame:
    """List the parts of every unit.

    Args:
        parts: Values (V, splits) of all units of the benchmark by part, see `part_values`.
        benchmark: Benchmark of the units.
        num_sounds: Numbers of training and test sounds of each split; by default, splits into halves.

    Returns:
        Columns `part`, `unit`, `subject`, `region`, `value` (median over splits), `error` (standard error over sounds)
        and `mean` (over splits; means of parts add up).
    """
    import pandas as pd

    units = benchmark.units[["unit", "subject", "region"]]
    tables = [
        units.assign(
            part=part,
            value=median_defined(parts[part], axis=1),
            error=sound_error(parts[part], num_train=num_sounds[0], num_test=num_sounds[1]),
            mean=mean_defined(parts[part], axis=1),
        )
        for part in PARTS
    ]
    return pd.concat(tables, ignore_index=True)


def _with_errors(
    values: np.ndarray,
    benchmark: Benchmark,
    over_units: Reduce,
    over_splits: Reduce,
    num_sounds: tuple[float, float],
) -> dict[tuple[str, str], tuple[float, float]]:
    """Summarise values (V, splits) by region and subject, each with its error."""
    by_group = _by_group(over_splits(values, axis=1)[:, None], benchmark, over_units)
    by_split = _by_group(values, benchmark, over_units)
    found = {}
    for (region, subject), value in by_group.items():
        if subject == ALL and not has_split_errors(benchmark):
            members = [each[0] for (where, who), each in by_group.items() if where == region and who != ALL]
            error = standard_error(np.array(members))
        else:
            error = sound_error(by_split[region, subject], num_train=num_sounds[0], num_test=num_sounds[1])
        found[region, subject] = float(value[0]), float(error)
    return found


def _by_group(values: np.ndarray, benchmark: Benchmark, over_units: Reduce) -> dict[tuple[str, str], np.ndarray]:
    """Summarise the units (V, n) of each region and subject, with means over subjects, as (n,) each."""
    labelled = {
        label: over_units(values[grouping.codes == code], axis=0)
        for grouping in groupings(benchmark)
        for code, label in enumerate(grouping.labels)
    }
    columns = [
        add_means({label: float(found[number]) for label, found in labelled.items()}, benchmark)
        for number in range(values.shape[1])
    ]
    return {label: np.array([column[label] for column in columns]) for label in columns[0]}
