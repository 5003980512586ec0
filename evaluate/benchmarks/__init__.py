"""Benchmarks: stimuli, and the responses to them that networks predict."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from datamodules.files import did_you_mean
from evaluate.benchmarks.benchmark import ALL, Benchmark
from evaluate.benchmarks.problems import BenchmarkError, LoosePartsError, shorten
from networks.commands.program import program
from networks.files.relative_paths import where_looked
from networks.lazy import lazy_names
from networks.named_objects import load_object, make_object, parse_object_name
from networks.text.natural_order import natural_key
from networks.user_code import place_of

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
    "find_benchmark",
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


def _simulated_in_time() -> Benchmark:
    from evaluate.benchmarks.simulated.cortex_in_time import simulated_cortex_in_time

    return simulated_cortex_in_time()


def _simulated_listener() -> Benchmark:
    from evaluate.benchmarks.behaviour.simulated_listener import simulated_listener

    return simulated_listener()


BENCHMARKS: dict[str, Callable[[], Benchmark]] = {
    "simulated": _simulated,
    "simulated_time": _simulated_in_time,
    "simulated_listener": _simulated_listener,
}
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
            - a folder with `trials.csv`, of listeners (`behaviour`);
            - `package.module:name` or `path/file.py:name`. This imports the module or runs the file.

    Returns:
        The benchmark.

    Raises:
        BenchmarkError: There is no such benchmark, and the message lists the built-in ones; or its data cannot be used,
            and `problems` lists all faults.
    """
    return find_benchmark(name_or_path)()


def find_benchmark(name_or_path: str | Path) -> Callable[[], Benchmark]:
    """Find a benchmark without building it, which can take a minute: to report a wrong name before other work.

    Args:
        name_or_path: As in `load_benchmark`.

    Returns:
        What builds the benchmark.

    Raises:
        BenchmarkError: There is no such benchmark.
    """
    from evaluate.benchmarks.behaviour.listeners import is_listeners, listeners_benchmark
    from evaluate.benchmarks.published.natural_sounds import COMPONENTS_FILE, STIMULI_FOLDER, components_benchmark
    from evaluate.benchmarks.published.release import data_sets_in, find_release_folder, release_benchmark
    from evaluate.benchmarks.recordings.part_files import how_to_convert, is_part
    from evaluate.benchmarks.recordings.recordings import is_recordings, recordings_benchmark

    if str(name_or_path) in BENCHMARKS:
        return BENCHMARKS[str(name_or_path)]
    path = Path(name_or_path)
    release_folder = find_release_folder(name_or_path)
    if release_folder is not None and not (path / STIMULI_FOLDER).is_dir():
        return partial(release_benchmark, release_folder)
    if path.suffix == ".py" and (path.is_file() or not path.exists()):
        raise BenchmarkError(
            f"{path} is a Python file: name the function in it that returns a benchmark, as {path}:NAME"
        )
    if (path / COMPONENTS_FILE).is_file():
        return partial(components_benchmark, path)
    if is_listeners(path):
        return partial(listeners_benchmark, path)
    if path.is_file() and is_part(path):
        raise LoosePartsError(
            f"{path} is a part of recordings: {how_to_convert(path.parent)} makes a benchmark of them", path.parent
        )
    if is_recordings(path):
        return partial(recordings_benchmark, path)
    if data_sets := data_sets_in(path):
        raise BenchmarkError(f"{path} is the public release: choose one of its data sets, {', '.join(data_sets)}")
    if not path.exists() and parse_object_name(str(name_or_path)) is not None:
        return partial(_own_benchmark, _checked_name(str(name_or_path)))
    problem = f"no such name or path{did_you_mean(path) or where_looked(path)}"
    if path.is_dir():
        folders = sorted(path.iterdir(), key=lambda each: natural_key(each.name))
        inside = [str(each) for each in folders if each.is_dir() and _is_benchmark(each)]
        if inside:
            raise BenchmarkError(f"{path} is a folder of benchmarks: name one of them, {shorten(inside)}")
        problem = f"the folder has no {COMPONENTS_FILE} or benchmark.json"
    known = ", ".join(repr(name) for name in BENCHMARKS)
    raise BenchmarkError(
        f"unknown benchmark {str(name_or_path)!r}: {problem}. Known names: {known}; or give ROOT:NH2015, ROOT:B2021 or "
        f"ROOT:NH2015comp of the public release, a folder with {COMPONENTS_FILE} and {STIMULI_FOLDER}/, a folder or "
        f"file of recordings (see `{program('evaluate', 'convert')} --help`), or package.module:name of your own "
        "benchmark"
    )


def _is_benchmark(folder: Path) -> bool:
    from evaluate.benchmarks.published.natural_sounds import COMPONENTS_FILE
    from evaluate.benchmarks.recordings.recordings import is_recordings

    return (folder / COMPONENTS_FILE).is_file() or is_recordings(folder)


def _checked_name(name: str) -> str:
    """Check that there is an object of this name; it imports the module or runs the file."""
    try:
        load_object(name)
    except ValueError as error:
        raise BenchmarkError(f"benchmark {name!r}: {error}") from error
    return name


def _own_benchmark(name: str) -> Benchmark:
    """Load the benchmark that a user's module defines."""
    try:
        benchmark: Benchmark = make_object(
            name,
            lambda made: isinstance(made, Benchmark),
            expected="an evaluate.Benchmark",
            passes=(BenchmarkError,),
        )
    except BenchmarkError as error:  # of the data, all of whose problems are listed
        message = f"benchmark {name!r}: {error}{place_of(error)}"
        raise BenchmarkError(message, error.problems if len(error.problems) > 1 else ()) from error
    except ValueError as error:
        raise BenchmarkError(f"benchmark {name!r}: {error}") from error
    return benchmark
