"""How well the stages of a network predict responses of the auditory cortex.

Network and sounds -> `stage_activations` -> `encode` against a benchmark's responses -> `best_stage`, rows of a
score table. `python -m evaluate` does it for checkpoints, `evaluate.callback.BrainScoreCallback` while training.
"""

from typing import TYPE_CHECKING

from networks.lazy import lazy_names

if TYPE_CHECKING:
    from evaluate.activations import StageError, stage_activations
    from evaluate.benchmarks import Benchmark, BenchmarkError, components_benchmark, load_benchmark, simulated_cortex
    from evaluate.dimensionality import effective_dimensionality
    from evaluate.encoding import EncodingResult, encode
    from evaluate.figures import write_figures
    from evaluate.scores import score_network
    from evaluate.similarity import rsa
    from evaluate.splits import Splits, published_splits
    from evaluate.stage_selection import best_stage
    from evaluate.table import append_rows, read_table

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
    "EncodingResult": "evaluate.encoding",
    "Splits": "evaluate.splits",
    "StageError": "evaluate.activations",
    "append_rows": "evaluate.table",
    "best_stage": "evaluate.stage_selection",
    "components_benchmark": "evaluate.benchmarks",
    "effective_dimensionality": "evaluate.dimensionality",
    "encode": "evaluate.encoding",
    "load_benchmark": "evaluate.benchmarks",
    "published_splits": "evaluate.splits",
    "read_table": "evaluate.table",
    "rsa": "evaluate.similarity",
    "score_network": "evaluate.scores",
    "simulated_cortex": "evaluate.benchmarks",
    "stage_activations": "evaluate.activations",
    "write_figures": "evaluate.figures",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
