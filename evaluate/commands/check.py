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
from evaluate.benchmarks.problems import BenchmarkError, LoosePartsError
from networks.commands.console_tables import Name, print_table
from networks.commands.dispatch import EXIT_IN_PART, text_console
from networks.text.wording import counted

if TYPE_CHECKING:
    import pandas as pd

    from evaluate.benchmarks.behaviour.trials import Trials
    from evaluate.benchmarks.inspection import Inspection
    from evaluate.benchmarks.sound_files import SoundInfo


MOST_TIMES = 8
"""Number of times at which the reliability is shown."""

MOST_REGIONS = 12
"""Maximum number of columns of regions that are readable in a terminal."""


@dataclass(kw_only=True)
class CheckBenchmarks:
    """Show the content of benchmarks (sounds, units, repetitions, reliability) and all their problems.

    A benchmark with remarks can be scored, one with problems cannot. Of recordings in separate files, which are no
    benchmark yet, all problems are listed, too, with the command that makes one of them.

    Exit code: 0; 1 if there is a problem.

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
    from evaluate.benchmarks.recordings.loose_parts import problems_of_parts

    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    try:
        with Progress(f"checking {name}"):
            benchmark = load_benchmark(name)
            inspection = inspect_benchmark(benchmark)
    except LoosePartsError as error:
        problems = (*error.problems, *problems_of_parts(error.folder))
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
    verdict = counted(len(problems), "problem") if problems else "good"
    console.print(f"{name}: {verdict}", markup=False)
    return EXIT_IN_PART if problems else 0


def _show(benchmark: Benchmark, inspection: Inspection, console: Console) -> None:
    import pandas as pd

    corrected = "corrected for noise" if benchmark.noise_corrected else "not corrected for noise"
    lines = [
        f"{benchmark.name}, version {benchmark.version}: {counted(benchmark.num_stimuli, 'stimulus')}, "
        f"{counted(benchmark.num_units, benchmark.unit_word)} of {counted(len(benchmark.subjects), 'subject')}, "
        f"{counted(benchmark.num_repetitions, 'repetition')}; "
        f"scores are {corrected}",
        *([f"time: {benchmark.bins}"] if benchmark.time_courses is not None else []),
        _sounds_line(inspection.sounds),
    ]
    if benchmark.categories is not None:
        counts = pd.Series(benchmark.categories).value_counts(sort=False)
        lines.append("categories: " + ", ".join(f"{category} {count}" for category, count in counts.items()))
    if benchmark.num_missing:
        shares = ", ".join(f"{share:.1%}" for share in inspection.missing)
        lines.append(f"missing responses by repetition: {shares}")
    if inspection.reliability is not None:
        what = "the mean over time" if benchmark.time_courses is not None else "one repetition"
        lines.append(_reliability_line(inspection.reliability, what))
    if inspection.reliability_in_time is not None:
        over_all, by_bin = inspection.reliability_in_time
        lines.append(_reliability_line(over_all, "one repetition over stimuli and time"))
        lines.append(_course_line(by_bin, benchmark))
    if benchmark.trials is not None:
        lines = [f"{benchmark.name}, version {benchmark.version}: {_trials_line(benchmark.trials)}"]
    for line in lines:
        console.print(line, markup=False)
    if benchmark.trials is not None:
        return
    print_table(_units_table(inspection.units), console)


def _trials_line(trials: Trials) -> str:
    """Describe trials and human values."""
    human = trials.human("accuracy")
    known = human[~np.isnan(human)]
    values = f"listeners recognise {known.min():.0%} to {known.max():.0%} of them" if len(known) else "no human values"
    return (
        f"{len(trials.labels)} trials for the head {trials.task!r}, {len(set(trials.labels))} right answers, "
        f"{len(human)} conditions ({'; '.join(trials.names)}); {values}; {int(np.isnan(human).sum())} conditions "
        "have no human value"
    )


def _sounds_line(sounds: list[SoundInfo] | None) -> str:
    import pandas as pd

    if sounds is None:
        return "sounds: made by a function"
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


def _course_line(by_bin: np.ndarray, benchmark: Benchmark) -> str:
    """Describe the reliability (V, T) in each bin, as medians over units at a few times."""
    from evaluate.metrics.best_stage import median_defined

    shown = np.unique(np.linspace(0, by_bin.shape[1] - 1, MOST_TIMES).round().astype(int))
    medians, times_s = median_defined(by_bin, axis=0), benchmark.bins.centers_s
    values = ", ".join(f"{times_s[k]:.3g} s: {medians[k]:.2f}" for k in shown)
    return f"reliability of one repetition in single bins (r over stimuli; median over units): {values}"


def _reliability_line(values: np.ndarray, what: str) -> str:
    """Describe the distribution over units of the correlation between single repetitions."""
    from evaluate.benchmarks.inspection import QUANTILES

    defined = values[~np.isnan(values)]
    if not len(defined):
        return "reliability: undefined for all units"
    numbers = np.quantile(defined, QUANTILES)
    shown = ", ".join(f"{share:.0%}: {number:.2f}" for share, number in zip(QUANTILES, numbers, strict=True))
    return f"reliability of {what} (r; quantiles over {counted(len(defined), 'unit')}): {shown}"


def _units_table(units: pd.DataFrame) -> Table:
    """Make a table of the number of units by subject and region."""
    shown = Table(title="units", box=SIMPLE)
    shown.add_column("subject", min_width=8)
    regions = list(units.columns[:MOST_REGIONS])
    num_hidden = len(units.columns) - len(regions)
    for region in (*regions, *([counted(num_hidden, "more region")] if num_hidden else []), "all"):
        shown.add_column(str(region), justify="right", no_wrap=True)
    for subject, counts in units.iterrows():
        cells = [int(counts[region]) for region in regions]
        hidden = [int(counts.sum()) - sum(cells)] if num_hidden else []
        shown.add_row(Name(str(subject)), *map(str, (*cells, *hidden, int(counts.sum()))))
    return shown
