"""Options that the commands `score` and `watch` share, and the plan made from them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.commands.errors import find_device
from evaluate.metrics import BEHAVIOUR_METRIC, DEFAULT_METRIC
from evaluate.options import DEFAULT_BATCH_SIZE, DEFAULT_CACHE_GIB, DEFAULT_MEMORY_LIMIT_GIB
from networks.commands.dispatch import CommandError
from networks.named_objects import parse_object_name

if TYPE_CHECKING:
    from evaluate.benchmarks import Benchmark
    from evaluate.features.cache import ActivationCache
    from evaluate.scoring.plan import ScoringPlan


CACHE_FOLDER = "cache"
PARTS_FOLDER = "parts"


@dataclass(kw_only=True)
class ScoringOptions:
    """Benchmarks, metrics and settings for scoring.

    Attributes:
        benchmark: Benchmarks: 'simulated', ROOT:NH2015 (or B2021, NH2015comp) of the public release, the path of a
            benchmark, or package.module:name or file.py:name of your own.
        metric: Metrics: encoding, rsa, dimensionality, within_category, temporal (for responses in time), behaviour
            (for listeners), partition:NETWORK (explained variance beyond another network, such as
            partition:SpectroTemporal or partition:untrained:self), or package.module:name or file.py:name of your own
            (default: encoding, and behaviour for benchmarks of listeners).
        participant_ceiling: Whether to show scores also as a share of what other participants' responses explain (not
            for components).
        stages: Stages to score (default: all).
        device: Device to compute on, such as cpu or cuda:0 (default: a GPU if there is one).
        batch_size: Sounds per forward pass.
        memory_gib: Working memory of metrics in each process, in GiB.
        cache: Folder of activations, to share them with other runs (default: the folder 'cache' in the output folder).
        cache_gib: Maximum size of that folder in GiB; above it, the least recently used activations are removed. 0
            keeps nothing.
    """

    benchmark: list[str]
    metric: list[str] = field(default_factory=list)
    participant_ceiling: bool = False
    stages: list[str] | None = None
    device: str | None = None
    batch_size: int = DEFAULT_BATCH_SIZE
    memory_gib: float = DEFAULT_MEMORY_LIMIT_GIB
    cache: Path | None = None
    cache_gib: float = DEFAULT_CACHE_GIB

    def check_names(self) -> None:
        """Check the names of benchmarks and metrics before anything that takes seconds is imported.

        Modules of users are not imported here.

        Raises:
            BenchmarkError: There is no such benchmark.
            MetricError: There is no such metric.
        """
        from evaluate.benchmarks import find_benchmark
        from evaluate.metrics import check_metric_name

        for name in self.metric:
            check_metric_name(name)
        for name in self.benchmark:
            if parse_object_name(name) is None:
                find_benchmark(name)

    def make_plan(self) -> ScoringPlan:
        """Check the options and make the plan, before any work.

        Raises:
            CommandError: A number is out of range, or a device does not exist.
            BenchmarkError: A benchmark cannot be loaded or scored with a metric, or two share a name.
            MetricError: A metric is unknown.
        """
        from evaluate.benchmarks import load_benchmark
        from evaluate.metrics import load_metrics
        from evaluate.scoring.plan import ScoringPlan

        if self.batch_size < 1:
            raise CommandError(f"--batch_size must be at least 1, got {self.batch_size}")
        if not self.memory_gib > 0:
            raise CommandError(f"--memory_gib must be more than 0, got {self.memory_gib}")
        if not self.cache_gib >= 0:
            raise CommandError(f"--cache_gib must be 0 (keep nothing) or more, got {self.cache_gib}")
        device = find_device(self.device)
        benchmarks = tuple(map(self._with_ceiling, map(load_benchmark, dict.fromkeys(self.benchmark))))
        defaults = (DEFAULT_METRIC if benchmark.trials is None else BEHAVIOUR_METRIC for benchmark in benchmarks)
        return ScoringPlan(
            benchmarks=benchmarks,
            metrics=load_metrics(self.metric or list(defaults)),
            stages=None if self.stages is None else tuple(self.stages),
            batch_size=self.batch_size,
            device=device,
            memory_limit_gib=self.memory_gib,
        )

    def remarks(self, plan: ScoringPlan) -> list[str]:
        """What to say about a plan before any work: names of benchmarks that differ from what was given, and more."""
        given = zip(dict.fromkeys(self.benchmark), plan.benchmarks, strict=True)
        renamed = [f"{name} holds the benchmark {each.name}" for name, each in given if each.name not in name]
        return [*renamed, *plan.remarks]

    def _with_ceiling(self, benchmark: Benchmark) -> Benchmark:
        """Ask a benchmark for a ceiling between its participants, if wanted; those of components have none."""
        is_wanted = benchmark.participant_ceiling or (self.participant_ceiling and benchmark.unit_kind == "voxel")
        return replace(benchmark, participant_ceiling=is_wanted)

    def make_cache(self, folder: Path) -> ActivationCache | None:
        """Make the cache of activations, in `folder` unless `--cache` names another; None if nothing is kept."""
        return open_cache(self.cache or folder / CACHE_FOLDER, self.cache_gib)


def open_cache(folder: Path, limit_gib: float) -> ActivationCache | None:
    """Make a cache of activations; None for a limit of 0, which keeps nothing."""
    from evaluate.features.cache import ActivationCache

    return ActivationCache(folder, limit_gib) if limit_gib else None
