"""The order of names for people."""

import numpy as np
import pandas as pd

from evaluate.benchmarks.inspection import inspect_benchmark
from networks.text.natural_order import natural_order


def test_numbers_are_sorted_by_their_value():
    names = ["comp10", "comp2", "Comp1", "comp", "10", "9", "a-2-b", "a-10-a", "s02", "s2", "s1", ""]
    ordered = ["", "9", "10", "a-2-b", "a-10-a", "comp", "Comp1", "comp2", "comp10", "s1", "s02", "s2"]
    assert natural_order(names) == natural_order(reversed(names)) == ordered


def test_check_lists_regions_and_subjects_in_this_order():
    from evaluate.benchmarks import Benchmark

    names = [f"{number}" for number in (10, 2, 1)]
    benchmark = Benchmark(
        name="tiny",
        version="1",
        stimulus_names=tuple(f"sound{i}" for i in range(8)),
        waveforms=lambda *_: np.zeros((8, 4), np.float32),
        responses=np.random.default_rng(0).standard_normal((8, 3, 1)),
        units=pd.DataFrame({"unit": names, "subject": [f"s{n}" for n in names], "region": [f"comp{n}" for n in names]}),
    )
    units = inspect_benchmark(benchmark).units
    assert list(units.columns) == ["comp1", "comp2", "comp10"]
    assert list(units.index) == ["s1", "s2", "s10"]
