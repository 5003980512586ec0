"""How well the stages of a network predict responses of the auditory cortex.

Network and sounds -> `stage_activations` -> `encode` against a benchmark's responses -> `best_stage` -> rows of a
score table. `python -m evaluate` does this for checkpoints, `BrainScoreCallback` during training.
"""

from typing import TYPE_CHECKING

from networks.lazy import lazy_names

if TYPE_CHECKING:
    from evaluate.benchmarks import Benchmark, BenchmarkError, components_benchmark, load_benchmark, simulated_cortex
    from evaluate.callback.callback import BrainScoreCallback
    from evaluate.features.activations import stage_activations
    from evaluate.features.recording import StageError
    from evaluate.features.sounds import load_sound
    from evaluate.metrics import MetricError, load_metric
    from evaluate.metrics.best_stage import best_stage
    from evaluate.metrics.dimensionality import effective_dimensionality
    from evaluate.metrics.encoding.encoding import EncodingResult, encode
    from evaluate.metrics.encoding.weights import EncodingWeights
    from evaluate.metrics.metric import Computing, Metric, ScoreKind
    from evaluate.metrics.partition.partition import PartitionResult, partition
    from evaluate.metrics.rsa import rsa
    from evaluate.metrics.splits import Splits, published_splits
    from evaluate.metrics.table_rows import add_means, curve_rows, rows_of
    from evaluate.metrics.temporal.temporal_encoding import TemporalResult, temporal_encode
    from evaluate.report.figures import write_figures
    from evaluate.scoring.score_network import score_network
    from evaluate.scoring.table import append_rows, read_table
    from networks import NetworkIdentity

__all__ = [
    "Benchmark",
    "BenchmarkError",
    "BrainScoreCallback",
    "Computing",
    "EncodingResult",
    "EncodingWeights",
    "Metric",
    "MetricError",
    "NetworkIdentity",
    "PartitionResult",
    "ScoreKind",
    "Splits",
    "StageError",
    "TemporalResult",
    "add_means",
    "append_rows",
    "best_stage",
    "components_benchmark",
    "curve_rows",
    "effective_dimensionality",
    "encode",
    "load_benchmark",
    "load_metric",
    "load_sound",
    "partition",
    "published_splits",
    "read_table",
    "rows_of",
    "rsa",
    "score_network",
    "simulated_cortex",
    "stage_activations",
    "temporal_encode",
    "write_figures",
]

_HOMES = {
    "Benchmark": "evaluate.benchmarks",
    "BenchmarkError": "evaluate.benchmarks",
    "BrainScoreCallback": "evaluate.callback.callback",
    "Computing": "evaluate.metrics.metric",
    "EncodingResult": "evaluate.metrics.encoding.encoding",
    "EncodingWeights": "evaluate.metrics.encoding.weights",
    "Metric": "evaluate.metrics.metric",
    "MetricError": "evaluate.metrics",
    "NetworkIdentity": "networks",
    "PartitionResult": "evaluate.metrics.partition.partition",
    "ScoreKind": "evaluate.metrics.metric",
    "Splits": "evaluate.metrics.splits",
    "StageError": "evaluate.features.recording",
    "TemporalResult": "evaluate.metrics.temporal.temporal_encoding",
    "add_means": "evaluate.metrics.table_rows",
    "append_rows": "evaluate.scoring.table",
    "best_stage": "evaluate.metrics.best_stage",
    "components_benchmark": "evaluate.benchmarks",
    "curve_rows": "evaluate.metrics.table_rows",
    "effective_dimensionality": "evaluate.metrics.dimensionality",
    "encode": "evaluate.metrics.encoding.encoding",
    "load_benchmark": "evaluate.benchmarks",
    "load_metric": "evaluate.metrics",
    "load_sound": "evaluate.features.sounds",
    "partition": "evaluate.metrics.partition.partition",
    "published_splits": "evaluate.metrics.splits",
    "read_table": "evaluate.scoring.table",
    "rows_of": "evaluate.metrics.table_rows",
    "rsa": "evaluate.metrics.rsa",
    "score_network": "evaluate.scoring.score_network",
    "simulated_cortex": "evaluate.benchmarks",
    "stage_activations": "evaluate.features.activations",
    "temporal_encode": "evaluate.metrics.temporal.temporal_encoding",
    "write_figures": "evaluate.report.figures",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
