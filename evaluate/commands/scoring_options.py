"""Options that the commands `score` and `watch` share, and the plan made from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.commands.errors import find_device
from evaluate.metrics import DEFAULT_METRIC
from evaluate.options import DEFAULT_BATCH_SIZE, DEFAULT_CACHE_GIB, DEFAULT_MEMORY_LIMIT_GIB
from networks.commands.dispatch import CommandError

if TYPE_CHECKING:
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
        metric: Metrics: encoding, rsa, dimensionality, within_category, or package.module:name or file.py:name of
            your own.
        stages: Stages to score (default: all).
        device: Device to compute on, such as cpu or cuda:0 (default: a GPU if there is one).
        batch_size: Sounds per forward pass.
        memory_gib: Working memory of metrics in each process, in GiB.
        cache: Folder of activations, to share them with other runs (default: the folder 'cache' in the output folder).
        cache_gib: Maximum size of that folder in GiB; above it, the least recently used activations are removed. 0
            keeps nothing.
    """

    benchmark: list[str]
    metric: list[str] = field(default_factory=lambda: [DEFAULT_METRIC])
    stages: list[str] | None = None
    device: str | None = None
    batch_size: int = DEFAULT_BATCH_SIZE
    memory_gib: float = DEFAULT_MEMORY_LIMIT_GIB
    cache: Path | None = None
    cache_gib: float = DEFAULT_CACHE_GIB

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
        return ScoringPlan(
            benchmarks=tuple(load_benchmark(name) for name in dict.fromkeys(self.benchmark)),
            metrics=load_metrics(self.metric),
            stages=None if self.stages is None else tuple(self.stages),
            batch_size=self.batch_size,
            device=device,
            memory_limit_gib=self.memory_gib,
        )

    def make_cache(self, folder: Path) -> ActivationCache | None:
        """Make the cache of activations, in `folder` unless `--cache` names another; None if nothing is kept."""
        from evaluate.features.cache import ActivationCache

        return ActivationCache(self.cache or folder / CACHE_FOLDER, self.cache_gib) if self.cache_gib else None
