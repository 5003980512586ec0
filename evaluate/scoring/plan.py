"""What to score, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from evaluate.benchmarks.benchmark import Benchmark, BenchmarkError
from evaluate.features.fingerprint import source_digest
from evaluate.metrics import DEFAULT_METRIC, METRICS, load_metrics
from evaluate.metrics.metric import Metric, ScoreKind
from evaluate.metrics.splits import Splits
from evaluate.options import DEFAULT_BATCH_SIZE, DEFAULT_MEMORY_LIMIT_GIB


@dataclass(frozen=True, kw_only=True)
class ScoringPlan:
    """Benchmarks, metrics and settings for scoring every network.

    Attributes:
        benchmarks: Benchmarks with distinct names.
        metrics: Metrics by name, see `evaluate.metrics.load_metrics`.
        stages: Stages to score; None for all.
        splits: Training and test stimuli; None for the published ones.
        batch_size: Sounds per forward pass.
        device: Device of networks and metrics; None for the network's own.
        memory_limit_gib: Bound on the working memory of metrics, in GiB.

    Raises:
        BenchmarkError: Two benchmarks share a name, or a metric needs data that a benchmark lacks.
    """

    benchmarks: tuple[Benchmark, ...]
    metrics: Mapping[str, Metric] = field(default_factory=lambda: load_metrics([DEFAULT_METRIC]))
    stages: tuple[str, ...] | None = None
    splits: Splits | None = None
    batch_size: int = DEFAULT_BATCH_SIZE
    device: torch.device | None = None
    memory_limit_gib: float = DEFAULT_MEMORY_LIMIT_GIB

    def __post_init__(self) -> None:
        """Check that rows are distinguishable and that each metric works on each benchmark."""
        names = [benchmark.name for benchmark in self.benchmarks]
        doubled = next((name for name in names if names.count(name) > 1), None)
        if doubled is not None:
            raise BenchmarkError(f"two benchmarks are named {doubled!r}: leave one out, or give it another name")
        for name, metric in self.metrics.items():
            for benchmark in self.benchmarks:
                if metric.needs_categories and benchmark.categories is None:
                    raise BenchmarkError(
                        f"metric {name} needs categories of sounds, which benchmark {benchmark.name!r} does not have: "
                        "leave out the metric or the benchmark"
                    )

    def metric_key(self, name: str) -> dict[str, Any]:
        """Everything that a metric's results depend on, except features and benchmark."""
        metric = self.metrics[name]
        # A user edits a metric before thinking of its version, so its source counts too.
        code = {} if name in METRICS else {"code": source_digest(metric.measure)}
        return {"metric": name, "version": metric.version, **code}

    @property
    def kinds(self) -> tuple[ScoreKind, ...]:
        """Kinds of scores that compare networks, over all benchmarks and metrics."""
        found = (self.kinds_on(benchmark) for benchmark in self.benchmarks)
        return tuple(dict.fromkeys(kind for kinds in found for kind in kinds))

    def kinds_on(self, benchmark: Benchmark) -> tuple[ScoreKind, ...]:
        """Kinds of scores that compare networks on one benchmark."""
        return tuple(kind for metric in self.metrics.values() for kind in metric.kinds(benchmark))
