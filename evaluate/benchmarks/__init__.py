"""Benchmarks: stimuli and the responses that networks are asked to predict."""

from collections.abc import Callable
from pathlib import Path

from evaluate.benchmarks.benchmark import ALL, Benchmark, BenchmarkError
from evaluate.benchmarks.natural_sounds import COMPONENTS_FILE, components_benchmark
from evaluate.benchmarks.simulated_cortex import simulated_cortex

BENCHMARKS: dict[str, Callable[[], Benchmark]] = {"simulated": simulated_cortex}
"""Benchmarks that are known by name. Add your own: `BENCHMARKS["mine"] = build_mine`."""


def load_benchmark(name_or_path: str | Path) -> Benchmark:
    """Build a benchmark from its name or from its folder.

    Args:
        name_or_path: A name in `BENCHMARKS`, or a folder with `components.mat` and `stimuli/`.

    Returns:
        The benchmark.

    Raises:
        BenchmarkError: Neither a known name nor a folder of a known layout; lists what is known. Or the
            data in the folder are not right.
    """
    if str(name_or_path) in BENCHMARKS:
        return BENCHMARKS[str(name_or_path)]()
    folder = Path(name_or_path)
    if (folder / COMPONENTS_FILE).is_file():
        return components_benchmark(folder)
    problem = f"the folder has no {COMPONENTS_FILE}" if folder.is_dir() else "no such name or folder"
    known = ", ".join(repr(name) for name in BENCHMARKS)
    raise BenchmarkError(
        f"unknown benchmark {str(name_or_path)!r}: {problem}. Known names: {known}; or give a folder with "
        f"{COMPONENTS_FILE} and stimuli/"
    )


__all__ = [
    "ALL",
    "BENCHMARKS",
    "Benchmark",
    "BenchmarkError",
    "components_benchmark",
    "load_benchmark",
    "simulated_cortex",
]
