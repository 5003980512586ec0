"""Score one network in memory, from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from datamodules.progress import ReportProgress
from evaluate.benchmarks.benchmark import Benchmark
from evaluate.features.cache import ActivationCache
from evaluate.metrics import BEHAVIOUR_METRIC, DEFAULT_METRIC, load_metrics
from evaluate.metrics.metric import Metric
from evaluate.metrics.splits import Splits
from evaluate.options import DEFAULT_BATCH_SIZE
from evaluate.scoring.engine import ScoringEngine
from evaluate.scoring.plan import ScoringPlan
from networks import AuditoryNetwork, NetworkIdentity
from networks.weights.identity import NetworkKind

if TYPE_CHECKING:
    import pandas as pd


def score_network(
    net: nn.Module,
    benchmark: Benchmark,
    *,
    metrics: Sequence[str] | Mapping[str, Metric] | None = None,
    stages: Sequence[str] | None = None,
    splits: Splits | None = None,
    batch_size: int = DEFAULT_BATCH_SIZE,
    device: torch.device | str | None = None,
    identity: NetworkIdentity | None = None,
    progress: ReportProgress | None = None,
    cache: ActivationCache | None = None,
) -> pd.DataFrame:
    """Score the stages of a network by how well they predict the responses of a benchmark.

    Args:
        net: Network with named stages, such as `networks.AuditoryNetwork`; its state is restored.
        benchmark: Stimuli, responses, units.
        metrics: Names of metrics, see `evaluate.metrics.load_metric`; None for encoding, or behaviour if the benchmark
            has answers of listeners.
        stages: Stages to score; None for all.
        splits: Training and test sounds; None for the ten published splits.
        batch_size: Sounds per forward pass.
        device: Device of the network; None for that of its parameters. Metrics use it too if it is a CUDA GPU.
        identity: What the network is, for the table: run, checkpoint, step and so on.
        progress: Called as `progress(what, num_done, num_total)`.
        cache: Cache of activations; None for none.

    Returns:
        Rows of the score table; see the metric's `tabulate`.

    Raises:
        MetricError: A metric is unknown.
        StageError: A stage is unknown or its activations are not finite.
        BenchmarkError: The benchmark's sounds cannot be used, or a metric needs data that the benchmark lacks.
    """
    plan = ScoringPlan(
        benchmarks=(benchmark,),
        metrics=load_metrics(
            [DEFAULT_METRIC if benchmark.trials is None else BEHAVIOUR_METRIC] if metrics is None else metrics
        ),
        stages=None if stages is None else tuple(stages),
        splits=splits,
        batch_size=batch_size,
        device=None if device is None else torch.device(device),
    )
    engine = ScoringEngine(plan=plan, cache=cache, progress=progress)
    kind: NetworkKind = "trained" if isinstance(net, AuditoryNetwork) else "external"
    return engine.score(net, benchmark, identity or NetworkIdentity(kind=kind))
