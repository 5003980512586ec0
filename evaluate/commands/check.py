"""The command `python -m evaluate check`: the content of benchmarks, and their problems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from datamodules.audio import AudioError
from datamodules.progress import Progress
from evaluate.benchmarks import Benchmark, load_benchmark
from evaluate.benchmarks.problems import BenchmarkError
from networks.commands.console_tables import print_table
from networks.commands.dispatch import EXIT_IN_PART, text_console

if TYPE_CHECKING:
    import pandas as pd

    from evaluate.benchmarks.inspection import Inspection
    from evaluate.benchmarks.sound_files import SoundInfo


MOST_REGIONS = 12
"""Maximum number of columns of regions that are readable in a terminal."""


@dataclass(kw_only=True)
class CheckBenchmarks:
    """Show the content of benchmarks (sounds, units, repetitions, reliability) and all their problems.

    A benchmark with remarks can be scored, one with problems cannot. Exit code: 0; 1 if there is a problem.

    Attributes:
        benchmarks: Benchmarks by name or path: 'simulated', ROOT:NH2015 (or B2021, NH2015comp) of the public release,
            the path of a benchmark, or package.module:name of your own.
    """

    benchmarks: list[str]
    positionals: ClassVar[tuple[str, ...]] = ("benchmarks",)

    def run(self) -> int:
        """Check each benchmark; return the exit code."""
        console = text_console(soft_wrap=True, highlight=False)
        return max(_check(name, console) for name in self.benchmarks)


def _check(name: str, console: Console) -> int:
    """Check one benchmark; return 1 if there are problems."""
    from evaluate.benchmarks.inspection import inspect_benchmark

    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    try:
        with Progress(f"checking {name}"):
            benchmark = load_benchmark(name)
            inspection = inspect_benchmark(benchmark)
    except BenchmarkError as error:
        problems = error.problems
    except (AudioError, OSError) as error:
        problems = (str(error),)
    else:
        _show(benchmark, inspection, console)
        problems, remarks = inspection.problems, inspection.remarks
    for remark in remarks:
        console.print(f"remark: {remark}", style="yellow", markup=False)
    for problem in problems:
        console.print(f"problem: {problem}", style="red", markup=False)
    num_problems = len(problems)
    verdict = f"{num_problems} problem{'s' if num_problems > 1 else ''}" if problems else "good"
    console.print(f"{name}: {verdict}", markup=False)
    return EXIT_IN_PART if problems else 0


def _show(benchmark: Benchmark, inspection: Inspection, console: Console) -> None:
    import pandas as pd

    corrected = "corrected for noise" if benchmark.noise_corrected else "not corrected for noise"
    lines = [
        f"{benchmark.name}, version {benchmark.version}: {benchmark.num_stimuli} stimuli, {benchmark.num_units} "
        f"{benchmark.unit_kind}s of {len(benchmark.subjects)} subjects, {benchmark.num_repetitions} repetitions; "
        f"scores are {corrected}",
        _sounds_line(inspection.sounds),
    ]
    if benchmark.categories is not None:
        counts = pd.Series(benchmark.categories).value_counts(sort=False)
        lines.append("categories: " + ", ".join(f"{category} {count}" for category, count in counts.items()))
    if benchmark.num_missing:
        shares = ", ".join(f"{share:.1%}" for share in inspection.missing)
        lines.append(f"missing responses by repetition: {shares}")
    if inspection.reliability is not None:
        lines.append(_reliability_line(inspection.reliability))
    for line in lines:
        console.print(line, markup=False)
    print_table(_units_table(inspection.units), console)


def _sounds_line(sounds: list[SoundInfo] | None) -> str:
    import pandas as pd

    if sounds is None:
        return "sounds: synthesised"
    whole = [sound for sound in sounds if sound.problem is None]
    if not whole:
        return f"sounds: none of {len(sounds)} can be read"
    durations = [sound.duration_s for sound in whole]
    rates = pd.Series([sound.sample_rate_hz for sound in whole]).value_counts(sort=False)
    channels = sorted({sound.num_channels for sound in whole})
    return (
        f"sounds: {len(whole)} of {len(sounds)} can be read; {min(durations):.2f} to {max(durations):.2f} s; "
        + ", ".join(f"{count} at {rate} Hz" for rate, count in rates.items())
        + f"; channels: {', '.join(map(str, channels))}"
    )


def _reliability_line(values: np.ndarray) -> str:
    """Describe the distribution over units of the correlation between single repetitions."""
    from evaluate.benchmarks.inspection import QUANTILES

    defined = values[~np.isnan(values)]
    if not len(defined):
        return "reliability: undefined for all units"
    numbers = np.quantile(defined, QUANTILES)
    shown = ", ".join(f"{share:.0%}: {number:.2f}" for share, number in zip(QUANTILES, numbers, strict=True))
    return f"reliability of one repetition (r; quantiles over {len(defined)} units): {shown}"


def _units_table(units: pd.DataFrame) -> Table:
    """Make a table of the number of units by subject and region."""
    shown = Table(title="units", box=SIMPLE)
    shown.add_column("subject", overflow="fold", min_width=8)
    regions = list(units.columns[:MOST_REGIONS])
    num_hidden = len(units.columns) - len(regions)
    for region in (*regions, *([f"{num_hidden} more regions"] if num_hidden else []), "all"):
        shown.add_column(str(region), justify="right", no_wrap=True)
    for subject, counts in units.iterrows():
        cells = [int(counts[region]) for region in regions]
        hidden = [int(counts.sum()) - sum(cells)] if num_hidden else []
        shown.add_row(str(subject), *map(str, (*cells, *hidden, int(counts.sum()))))
    return shown
