"""What to score, and how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from evaluate.benchmarks.benchmark import Benchmark, BenchmarkError
from evaluate.features.fingerprint import source_digest
from evaluate.metrics import BEHAVIOUR_METRIC, DEFAULT_METRIC, is_built_in, load_metrics
from evaluate.metrics.metric import Metric, ScoreKind
from evaluate.metrics.splits import Splits
from evaluate.options import DEFAULT_BATCH_SIZE, DEFAULT_MEMORY_LIMIT_GIB


@dataclass(frozen=True, kw_only=True)
class ScoringPlan:
    """Benchmarks, metrics and settings for scoring every network.

    Every metric is for those of the benchmarks that have what it needs, such as responses in time.

    Attributes:
        benchmarks: Benchmarks with distinct names.
        metrics: Metrics by name, see `evaluate.metrics.load_metrics`.
        stages: Stages to score; None for all.
        splits: Training and test stimuli; None for the published ones.
        batch_size: Sounds per forward pass.
        device: Device of networks and metrics; None for the network's own.
        memory_limit_gib: Bound on the working memory of metrics, in GiB.
        is_part: Whether it is a part of a plan (`only`), in which a benchmark may have no metric.

    Raises:
        BenchmarkError: Two benchmarks share a name, or a metric needs data that no benchmark has.
        MetricError: A metric does not say which scores compare networks.
    """

    benchmarks: tuple[Benchmark, ...]
    metrics: Mapping[str, Metric] = field(default_factory=lambda: load_metrics([DEFAULT_METRIC]))
    stages: tuple[str, ...] | None = None
    splits: Splits | None = None
    batch_size: int = DEFAULT_BATCH_SIZE
    device: torch.device | None = None
    memory_limit_gib: float = DEFAULT_MEMORY_LIMIT_GIB
    is_part: bool = False

    def __post_init__(self) -> None:
        """Check that rows are distinguishable and that each metric works on each benchmark."""
        names = [benchmark.name for benchmark in self.benchmarks]
        doubled = next((name for name in names if names.count(name) > 1), None)
        if doubled is not None:
            raise BenchmarkError(f"two benchmarks are named {doubled!r}: leave one out, or give it another name")
        for name, metric in self.metrics.items():
            if self.is_part or not self.benchmarks:
                continue
            if not any(map(metric.applies_to, self.benchmarks)):
                raise BenchmarkError(_not_applicable(name, metric, self.benchmarks[0]))
            reasons = [_lacking(name, metric, benchmark) for benchmark in filter(metric.applies_to, self.benchmarks)]
            if all(reasons):
                raise BenchmarkError(f"{reasons[0]}: leave out the metric or the benchmark")
        for benchmark in self.benchmarks:
            for name, metric in self.metrics_on(benchmark).items():
                metric.kinds_on(name, benchmark)
            if not self.is_part and not self.metrics_on(benchmark):
                name, metric = next(iter(self.metrics.items()))
                if not metric.applies_to(benchmark):
                    raise BenchmarkError(_not_applicable(name, metric, benchmark))
                raise BenchmarkError(f"{_lacking(name, metric, benchmark)}: leave out the metric or the benchmark")

    def metrics_on(self, benchmark: Benchmark) -> dict[str, Metric]:
        """Select the metrics that a benchmark has the data for, by name."""
        return {
            name: metric
            for name, metric in self.metrics.items()
            if metric.applies_to(benchmark) and not _lacking(name, metric, benchmark)
        }

    @property
    def remarks(self) -> list[str]:
        """What is left out, one line each."""
        reasons = (
            _lacking(name, metric, benchmark)
            for benchmark in self.benchmarks
            for name, metric in self.metrics.items()
            if metric.applies_to(benchmark)
        )
        return [f"{reason}, and is left out there" for reason in reasons if reason]

    def only(self, names: Iterable[str]) -> ScoringPlan:
        """The same plan for some of its metrics."""
        wanted = set(names)
        chosen = {name: metric for name, metric in self.metrics.items() if name in wanted}
        return replace(self, metrics=chosen, is_part=True)

    def metric_key(self, name: str) -> dict[str, Any]:
        """Everything that a metric's results depend on, except features and benchmark."""
        metric = self.metrics[name]
        # A user edits a metric before thinking of its version, so its source counts too.
        code = {} if is_built_in(name) else {"code": source_digest(metric.measure)}
        return {"metric": name, "version": metric.version, **code}

    @property
    def kinds(self) -> tuple[ScoreKind, ...]:
        """Kinds of scores that compare networks, over all benchmarks and metrics."""
        found = (
            metric.kinds_on(name, benchmark)
            for benchmark in self.benchmarks
            for name, metric in self.metrics_on(benchmark).items()
        )
        return tuple(dict.fromkeys(kind for kinds in found for kind in kinds))

    def kinds_on(self, benchmark: Benchmark) -> tuple[ScoreKind, ...]:
        """Kinds of scores that compare networks on one benchmark, those of parts of the data one by one."""
        metrics = self.metrics_on(benchmark).items()
        found = (kind for name, metric in metrics for kind in metric.kinds_on(name, benchmark))
        return tuple(each for kind in found for each in kind.each)


def _not_applicable(name: str, metric: Metric, benchmark: Benchmark) -> str:
    if metric.of_heads:
        return (
            f"metric {name} compares a network's answers with those of listeners, which benchmark {benchmark.name!r} "
            "does not have: leave out the metric, or name a benchmark of listeners"
        )
    return (
        f"benchmark {benchmark.name!r} has answers of listeners, not responses of units, which metric {name} needs: "
        f"leave it out, or name the metric {BEHAVIOUR_METRIC}"
    )


def _lacking(name: str, metric: Metric, benchmark: Benchmark) -> str:
    """Say what a metric needs that a benchmark does not have; empty if it has everything."""
    if metric.needs_categories and benchmark.categories is None:
        return f"metric {name} needs categories of sounds, which benchmark {benchmark.name!r} does not have"
    if metric.in_time and benchmark.time_courses is None:
        return (
            f"metric {name} needs responses in time (stimuli, units, repetitions, bins), which benchmark "
            f"{benchmark.name!r} does not have"
        )
    return ""
