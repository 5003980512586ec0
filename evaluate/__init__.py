"""How well the stages of a network predict responses of the auditory cortex.

Network and sounds -> `stage_activations` -> `encode` against a benchmark's responses -> `best_stage` -> rows of a
score table. `python -m evaluate` does this for checkpoints, `evaluate.callback.BrainScoreCallback` during training.
"""

from typing import TYPE_CHECKING

from networks.lazy import lazy_names

if TYPE_CHECKING:
    from evaluate.benchmarks import Benchmark, BenchmarkError, components_benchmark, load_benchmark, simulated_cortex
    from evaluate.features.activations import StageError, stage_activations
    from evaluate.metrics import MetricError, load_metric
    from evaluate.metrics.best_stage import best_stage
    from evaluate.metrics.dimensionality import effective_dimensionality
    from evaluate.metrics.encoding.encoding import EncodingResult, encode
    from evaluate.metrics.metric import Computing, Metric, ScoreKind
    from evaluate.metrics.rsa import rsa
    from evaluate.metrics.splits import Splits, published_splits
    from evaluate.metrics.table_rows import add_means, curve_rows, rows_of
    from evaluate.report.figures import write_figures
    from evaluate.scoring.score_network import score_network
    from evaluate.scoring.table import append_rows, read_table
    from networks import NetworkIdentity

__all__ = [
    "Benchmark",
    "BenchmarkError",
    "Computing",
    "EncodingResult",
    "Metric",
    "MetricError",
    "NetworkIdentity",
    "ScoreKind",
    "Splits",
    "StageError",
    "add_means",
    "append_rows",
    "best_stage",
    "components_benchmark",
    "curve_rows",
    "effective_dimensionality",
    "encode",
    "load_benchmark",
    "load_metric",
    "published_splits",
    "read_table",
    "rows_of",
    "rsa",
    "score_network",
    "simulated_cortex",
    "stage_activations",
    "write_figures",
]

_HOMES = {
    "Benchmark": "evaluate.benchmarks",
    "BenchmarkError": "evaluate.benchmarks",
    "Computing": "evaluate.metrics.metric",
    "EncodingResult": "evaluate.metrics.encoding.encoding",
    "Metric": "evaluate.metrics.metric",
    "MetricError": "evaluate.metrics",
    "NetworkIdentity": "networks",
    "ScoreKind": "evaluate.metrics.metric",
    "Splits": "evaluate.metrics.splits",
    "StageError": "evaluate.features.activations",
    "add_means": "evaluate.metrics.table_rows",
    "append_rows": "evaluate.scoring.table",
    "best_stage": "evaluate.metrics.best_stage",
    "components_benchmark": "evaluate.benchmarks",
    "curve_rows": "evaluate.metrics.table_rows",
    "effective_dimensionality": "evaluate.metrics.dimensionality",
    "encode": "evaluate.metrics.encoding.encoding",
    "load_benchmark": "evaluate.benchmarks",
    "load_metric": "evaluate.metrics",
    "published_splits": "evaluate.metrics.splits",
    "read_table": "evaluate.scoring.table",
    "rows_of": "evaluate.metrics.table_rows",
    "rsa": "evaluate.metrics.rsa",
    "score_network": "evaluate.scoring.score_network",
    "simulated_cortex": "evaluate.benchmarks",
    "stage_activations": "evaluate.features.activations",
    "write_figures": "evaluate.report.figures",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
