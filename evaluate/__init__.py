"""How well the stages of a network predict responses of the auditory cortex.

Network and sounds -> `stage_activations` -> `encode` against a benchmark's responses -> `best_stage`, rows of a
score table. `python -m evaluate` does it for checkpoints, `evaluate.callback.BrainScoreCallback` while training.
"""

from typing import TYPE_CHECKING

from networks.lazy import lazy_names

if TYPE_CHECKING:
    from evaluate.benchmarks import Benchmark, BenchmarkError, components_benchmark, load_benchmark, simulated_cortex
    from evaluate.features.activations import StageError, stage_activations
    from evaluate.metrics.dimensionality import effective_dimensionality
    from evaluate.metrics.encoding.encoding import EncodingResult, encode
    from evaluate.metrics.encoding.splits import Splits, published_splits
    from evaluate.metrics.similarity import rsa
    from evaluate.metrics.stage_selection import best_stage
    from evaluate.report.figures import write_figures
    from evaluate.scoring.scores import score_network
    from evaluate.scoring.table import append_rows, read_table

__all__ = [
    "Benchmark",
    "BenchmarkError",
    "EncodingResult",
    "Splits",
    "StageError",
    "append_rows",
    "best_stage",
    "components_benchmark",
    "effective_dimensionality",
    "encode",
    "load_benchmark",
    "published_splits",
    "read_table",
    "rsa",
    "score_network",
    "simulated_cortex",
    "stage_activations",
    "write_figures",
]

_HOMES = {
    "Benchmark": "evaluate.benchmarks",
    "BenchmarkError": "evaluate.benchmarks",
    "EncodingResult": "evaluate.metrics.encoding.encoding",
    "Splits": "evaluate.metrics.encoding.splits",
    "StageError": "evaluate.features.activations",
    "append_rows": "evaluate.scoring.table",
    "best_stage": "evaluate.metrics.stage_selection",
    "components_benchmark": "evaluate.benchmarks",
    "effective_dimensionality": "evaluate.metrics.dimensionality",
    "encode": "evaluate.metrics.encoding.encoding",
    "load_benchmark": "evaluate.benchmarks",
    "published_splits": "evaluate.metrics.encoding.splits",
    "read_table": "evaluate.scoring.table",
    "rsa": "evaluate.metrics.similarity",
    "score_network": "evaluate.scoring.scores",
    "simulated_cortex": "evaluate.benchmarks",
    "stage_activations": "evaluate.features.activations",
    "write_figures": "evaluate.report.figures",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
