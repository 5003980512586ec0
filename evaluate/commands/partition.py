"""The command `python -m evaluate partition`: what networks explain of responses alone, and what they share."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from datamodules.files import check_writable
from datamodules.progress import Progress, ReportProgress
from evaluate.benchmarks import ALL, Benchmark
from evaluate.commands.errors import find_device, remark
from evaluate.commands.named_networks import NetworksOption, networks_named
from evaluate.commands.scoring_options import CACHE_FOLDER, open_cache
from evaluate.options import DEFAULT_BATCH_SIZE, DEFAULT_CACHE_GIB, DEFAULT_MEMORY_LIMIT_GIB, PARTITION_FILE
from networks.commands.console_tables import fitting, print_table
from networks.commands.dispatch import CommandError, text_console
from networks.commands.interruption import has_content, stopped_by_sigterm
from networks.text.wording import shortened

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import torch

    from evaluate.features.cache import ActivationCache

ALL_STAGES = "all"
_NAME_LENGTH = 30
UNITS_FILE = "partition_units.csv"
_SHOWN = {
    "r2_a": "R² of A",
    "r2_b": "R² of B",
    "r2_ab": "R² of both",
    "unique_a": "only A",
    "shared": "shared",
    "unique_b": "only B",
}
_SUMMARIES = {"medians over units": ("value", "error"), "means, which add up": ("mean", "mean_error")}
"""Columns of the table by the words for them."""
_NOTE = "Medians are taken of each part on its own, so that parts do not add up to the R² of A, B or both; means do."


class _Space(NamedTuple):
    """The features of a network for each benchmark, and its name."""

    name: str
    stages: str
    features: dict[str, np.ndarray]


@dataclass(kw_only=True)
class Partition(NetworksOption):
    """Show what networks explain of responses alone, and what they share (variance partitioning).

    For two networks A and B, ridge regressions predict each unit from A, from B and from both; what A explains alone is
    R² of both minus R² of B, and what they share is R² of A plus R² of B minus R² of both. With more than two networks,
    each pair is compared. Prints the R² and the parts, writes them to DIR/partition.csv, and those of each unit to
    DIR/partition_units.csv, where rows of the same networks and benchmark are replaced, and draws them. Medians over
    units are taken of each part on its own and do not add up; means do, and are printed below.

    A trained network against its untrained self: CHECKPOINT untrained:CHECKPOINT. Against the baseline: CHECKPOINT
    SpectroTemporal.

    Attributes:
        benchmark: Benchmarks, as for 'score'.
        out: Folder for the table and the figures.
        stages: Stages of each network, in the order of the networks: a stage, several joined by commas, or 'all'
            (default: all of every network). Several stages count equally.
        device: Device to compute on, such as cpu or cuda:0 (default: a GPU if there is one).
        batch_size: Sounds per forward pass.
        memory_gib: Working memory in GiB.
        cache: Folder of activations, such as that of 'score', to compute none of them again (default: the folder
            'cache' in the output folder).
        cache_gib: Maximum size of that folder in GiB; above it, the least recently used activations are removed. 0
            keeps nothing.
    """

    benchmark: list[str]
    out: Path
    stages: list[str] | None = None
    device: str | None = None
    batch_size: int = DEFAULT_BATCH_SIZE
    memory_gib: float = DEFAULT_MEMORY_LIMIT_GIB
    cache: Path | None = None
    cache_gib: float = DEFAULT_CACHE_GIB

    @property
    def when_interrupted(self) -> str:
        """What a Ctrl-C leaves."""
        cache = self.cache or self.out / CACHE_FOLDER
        kept = f", with the activations in {cache}" if self.cache_gib and has_content(cache) else ""
        return f"the table is written at the end, so that the same command starts again{kept}"

    def run(self) -> None:
        """Compare each pair of networks.

        Raises:
            CommandError: Fewer than two networks are named, or numbers or stages do not fit.
            SourceError: A network is unknown.
            BenchmarkError: A benchmark cannot be used.
            StageError: A network does not have a stage, or its activations cannot be used.
        """
        import pandas as pd

        from evaluate.benchmarks import load_benchmark
        from evaluate.metrics.partition.parts_table import append_parts
        from evaluate.report.figures.parts import write_parts_figures

        if self.batch_size < 1 or not self.memory_gib > 0:
            raise CommandError(
                f"--batch_size and --memory_gib must be above 0, got {self.batch_size}, {self.memory_gib}"
            )
        if not self.cache_gib >= 0:
            raise CommandError(f"--cache_gib must be 0 (keep nothing) or more, got {self.cache_gib}")
        check_writable(self.out)
        cache = open_cache(self.cache or self.out / CACHE_FOLDER, self.cache_gib)
        named = networks_named(self.networks)
        sources = named.sources
        if len(sources) < 2:
            raise CommandError(f"expected two networks or more to compare, got {len(sources)}: {', '.join(sources)}")
        stages = self.stages or [ALL_STAGES] * len(sources)
        if len(stages) != len(sources):
            raise CommandError(f"--stages must name stages for each of the {len(sources)} networks, got {len(stages)}")
        console, device = text_console(), find_device(self.device)
        for text in named.remarks:
            remark(text, console)
        benchmarks = [load_benchmark(name) for name in dict.fromkeys(self.benchmark)]
        pairs = list(itertools.combinations(range(len(sources)), 2))
        tables, units = [], []
        parts = len(sources) + len(pairs)
        with stopped_by_sigterm(), Progress("partition", num_parts=parts, part="step") as display:
            spaces = []
            for source, wanted in zip(sources, stages, strict=True):
                display.report(f"loading {_short_name(source)}")
                spaces.append(
                    self._space(source, wanted, benchmarks, device=device, cache=cache, progress=display.report)
                )
                display.finish_part()
            for first, second in pairs:
                names = " and ".join(_short_name(spaces[place].name) for place in (first, second))
                for benchmark in benchmarks:
                    report = _prefixed(f"{names} on {benchmark.name}", display.report)
                    found = self._compare(spaces[first], spaces[second], benchmark, device, report)
                    tables.append(found[0])
                    units.append(found[1])
                display.finish_part()
        table = pd.concat(tables, ignore_index=True)
        written = [
            append_parts(self.out / PARTITION_FILE, table),
            append_parts(self.out / UNITS_FILE, pd.concat(units, ignore_index=True)),
        ]
        show_parts(table, console)
        figures = write_parts_figures(table, self.out)
        drawn = [f"{len(figures)} figure{'s' * (len(figures) > 1)} to {figures[0].parent}"] if figures else []
        for what in (*written, *drawn):
            console.print(f"wrote {what}", soft_wrap=True, highlight=False, markup=False)
        if cache is not None:
            console.print(f"activations in {cache}", soft_wrap=True, highlight=False, markup=False)

    def _space(
        self,
        source: str,
        wanted: str,
        benchmarks: list[Benchmark],
        *,
        device: torch.device,
        cache: ActivationCache | None,
        progress: ReportProgress,
    ) -> _Space:
        """Record the activations of a network for the sounds of all benchmarks."""
        from evaluate.features.activations import resolve_stages
        from evaluate.features.cache import cached_activations
        from evaluate.metrics.partition.network_parts import joined_space
        from networks import load_network

        loaded = load_network(source)
        net = loaded.network.to(device)
        stages = resolve_stages(net, None if wanted == ALL_STAGES else wanted.split(","))
        features = {}
        for benchmark in benchmarks:
            activations = cached_activations(
                net,
                benchmark,
                cache=cache,
                stages=stages,
                batch_size=self.batch_size,
                device=device,
                progress=_prefixed(f"{_short_name(source)} on {benchmark.name}", progress),
            )
            features[benchmark.name] = joined_space(activations, memory_limit_gib=self.memory_gib)
        return _Space(source, wanted, features)

    def _compare(
        self, one: _Space, other: _Space, benchmark: Benchmark, device: torch.device, progress: ReportProgress
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Partition the responses of a benchmark between two networks: by region and subject, and by unit."""
        import numpy as np

        from evaluate.metrics.best_stage import mean_defined
        from evaluate.metrics.partition.network_parts import NOISE_CORRECTED, part_values, summarise_parts, unit_parts
        from evaluate.metrics.partition.partition import partition
        from evaluate.metrics.splits import published_splits

        responses = benchmark.responses if benchmark.noise_corrected else mean_defined(benchmark.responses, axis=2)
        splits = published_splits(benchmark.num_stimuli)
        result = partition(
            one.features[benchmark.name],
            other.features[benchmark.name],
            responses,
            splits,
            allow_missing=bool(np.isnan(responses).any()),
            device=device if device.type == "cuda" else "cpu",
            memory_limit_gib=self.memory_gib,
            progress=lambda num_done, num_total: progress("regressions", num_done, num_total),
        )
        parts = part_values(result, benchmark)
        sizes = float(splits.train[0].sum()), float(splits.test[0].sum())
        columns = {
            "a": one.name,
            "b": other.name,
            "stages_a": one.stages,
            "stages_b": other.stages,
            "benchmark": benchmark.name,
            NOISE_CORRECTED: str(benchmark.noise_corrected),
        }
        by_group = summarise_parts(parts, benchmark, num_sounds=sizes)
        return by_group.assign(**columns), unit_parts(parts, benchmark, num_sounds=sizes).assign(**columns)


def _error_words(table: pd.DataFrame) -> str:
    """Say what the errors of a benchmark are over, see `summarise_parts`."""
    number = len(set(table["subject"]) - {ALL})
    if number < 2:
        return " (± standard error over sounds)"
    from evaluate.report.significance import few_text

    few = few_text(number)
    return f" (± standard error over participants{f', {few}' if few else ''})"


def _with_error(value: float, error: float) -> str:
    return f"{value:.3f}" if isnan(error) else f"{value:.3f} ± {error:.3f}"


def _short_name(source: str) -> str:
    """Shorten a network's name for a line of progress."""
    return shortened(Path(source).name, _NAME_LENGTH)


def _prefixed(what: str, progress: ReportProgress) -> ReportProgress:
    """Report progress with what it is about."""
    return lambda each, num_done, num_total: progress(f"{what}: {each}", num_done, num_total)


def show_parts(table: pd.DataFrame, console: Console) -> None:
    """Print a table for each pair of networks and benchmark, with a column for each region.

    Args:
        table: Rows of this command.
        console: Console to print to.
    """
    of_all = table[table["subject"].isin([ALL]) | ~table["benchmark"].isin(table[table["subject"] == ALL]["benchmark"])]
    for (first, second, stages_a, stages_b, benchmark), group in of_all.groupby(
        ["a", "b", "stages_a", "stages_b", "benchmark"], sort=False
    ):
        values = group.drop_duplicates(["part", "region"]).set_index(["part", "region"])
        what = "noise-corrected R²" if (group["noise_corrected"] == "True").all() else "R²"
        what += f" on test sounds{_error_words(table[table['benchmark'] == benchmark])}"

        def make(
            regions: Sequence[str],
            start: int,
            values: pd.DataFrame = values,
            title: str = str(benchmark),
            what: str = what,
        ) -> Table:
            shown = Table(box=SIMPLE, padding=(0, 1, 0, 0))
            shown.title = f"{title}: {what}{' (continued)' if start else ''}"
            shown.add_column("part", no_wrap=True)
            for region in regions:
                shown.add_column(str(region), justify="right", no_wrap=True)
            for heading, columns in _SUMMARIES.items():
                shown.add_row(heading, style="bold")
                for part, words in _SHOWN.items():
                    cells = [values.loc[(part, region), list(columns)].to_numpy() for region in regions]
                    shown.add_row(f"  {words}", *(_with_error(*values) for values in cells))
            return shown

        for shown in fitting(make, list(dict.fromkeys(group["region"])), console):
            shown.caption = f"A: {first}, stages {stages_a}; B: {second}, stages {stages_b}"
            print_table(shown, console)
    console.print(_NOTE, style="dim", highlight=False)
