"""Benchmarks: stimuli, and the responses to them that networks predict."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.benchmarks.benchmark import ALL, Benchmark
from evaluate.benchmarks.problems import BenchmarkError
from networks.lazy import lazy_names
from networks.named_objects import load_object, parse_object_name

if TYPE_CHECKING:
    from evaluate.benchmarks.published.natural_sounds import components_benchmark
    from evaluate.benchmarks.published.release import release_benchmark
    from evaluate.benchmarks.recordings.recordings import recordings_benchmark
    from evaluate.benchmarks.simulated.cortex import simulated_cortex

__all__ = [
    "ALL",
    "BENCHMARKS",
    "Benchmark",
    "BenchmarkError",
    "components_benchmark",
    "load_benchmark",
    "recordings_benchmark",
    "release_benchmark",
    "simulated_cortex",
]

_HOMES = {
    "components_benchmark": "evaluate.benchmarks.published.natural_sounds",
    "recordings_benchmark": "evaluate.benchmarks.recordings.recordings",
    "release_benchmark": "evaluate.benchmarks.published.release",
    "simulated_cortex": "evaluate.benchmarks.simulated.cortex",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)


def _simulated() -> Benchmark:
    from evaluate.benchmarks.simulated.cortex import simulated_cortex

    return simulated_cortex()


BENCHMARKS: dict[str, Callable[[], Benchmark]] = {"simulated": _simulated}
"""Built-in benchmarks by name. User-defined benchmarks are named as `package.module:name`."""


def load_benchmark(name_or_path: str | Path) -> Benchmark:
    """Build a benchmark from its name or its data, whose format is detected from the files.

    Your own benchmark is a `Benchmark`, or a function without arguments that returns one, and is named as in
    `--benchmark my_lab.benchmarks:ferret` or `brain.benchmarks: [my_lab.benchmarks:ferret]`:

    ```python
    # my_lab/benchmarks.py
    from evaluate import Benchmark

    def ferret() -> Benchmark:
        return Benchmark(name="ferret", ...)
    ```

    Args:
        name_or_path: One of

            - a name in `BENCHMARKS`;
            - `ROOT:NH2015`, `ROOT:B2021` or `ROOT:NH2015comp`, where ROOT is the unpacked public release, or the path
              of one of its data sets (`published`);
            - a folder with `components.mat` and `stimuli/`, the format of the published response components;
            - a folder or single file of your own recordings (`recordings`);
            - `package.module:name` or `path/file.py:name`. This imports the module or runs the file.

    Returns:
        The benchmark.

    Raises:
        BenchmarkError: There is no such benchmark, and the message lists the built-in ones; or its data cannot be used,
            and `problems` lists all faults.
    """
    from evaluate.benchmarks.published.natural_sounds import COMPONENTS_FILE, STIMULI_FOLDER, components_benchmark
    from evaluate.benchmarks.published.release import data_sets_in, find_release_folder, release_benchmark
    from evaluate.benchmarks.recordings.recordings import is_recordings, recordings_benchmark

    if str(name_or_path) in BENCHMARKS:
        return BENCHMARKS[str(name_or_path)]()
    path = Path(name_or_path)
    release_folder = find_release_folder(name_or_path)
    if release_folder is not None and not (path / STIMULI_FOLDER).is_dir():
        return release_benchmark(release_folder)
    if (path / COMPONENTS_FILE).is_file():
        return components_benchmark(path)
    if is_recordings(path):
        return recordings_benchmark(path)
    if data_sets := data_sets_in(path):
        raise BenchmarkError(f"{path} is the public release: choose one of its data sets, {', '.join(data_sets)}")
    if not path.exists() and parse_object_name(str(name_or_path)) is not None:
        return _own_benchmark(str(name_or_path))
    if path.suffix == ".py":
        raise BenchmarkError(f"{path} is a Python file: name the benchmark in it, as {path}:NAME")
    problem = f"the folder has no {COMPONENTS_FILE} or benchmark.json" if path.is_dir() else "no such name or path"
    known = ", ".join(repr(name) for name in BENCHMARKS)
    raise BenchmarkError(
        f"unknown benchmark {str(name_or_path)!r}: {problem}. Known names: {known}; or give ROOT:NH2015, ROOT:B2021 or "
        f"ROOT:NH2015comp of the public release, a folder with {COMPONENTS_FILE} and {STIMULI_FOLDER}/, a folder or "
        "file of recordings (see `python -m evaluate convert --help`), or package.module:name of your own benchmark"
    )


def _own_benchmark(name: str) -> Benchmark:
    """Load the benchmark that a user's module defines."""
    try:
        found = load_object(name)
    except ValueError as error:
        raise BenchmarkError(f"unknown benchmark {name!r}: {error}") from error
    benchmark = found if isinstance(found, Benchmark) else found() if callable(found) else None
    if not isinstance(benchmark, Benchmark):
        given = found if benchmark is None else benchmark
        raise BenchmarkError(
            f"benchmark {name!r}: expected an evaluate.Benchmark or a function that returns one, got a "
            f"{type(given).__name__}"
        )
    return benchmark
