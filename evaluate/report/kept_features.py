"""Features of networks for the report, from the activations that `score` has cached; nothing is computed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evaluate.benchmarks.benchmark import ALL, Benchmark
from evaluate.features.cache import ActivationCache, activation_key
from evaluate.features.fingerprint import network_fingerprint
from evaluate.report.figures.series import Series, entries_of
from evaluate.scoring import table as t
from networks import CheckpointError, load_network
from networks.weights.sources import SourceError

if TYPE_CHECKING:
    import pandas as pd


MAX_NETWORKS = 7
"""Maximum number of networks: with the responses, they fill two rows of matrices."""

_BY_WHICH_BEST = (t.RSA, *t.STAGE_METRICS)

_log = logging.getLogger(__name__)


def kept_features(
    series: Sequence[Series], benchmark: Benchmark, folders: Sequence[Path], run_dirs: Sequence[Path] = ()
) -> dict[str, np.ndarray]:
    """Find the features of each network's best stage in folders of cached activations.

    Networks that cannot be loaded any more, or have no cached activations, are left out.

    Args:
        series: See `series_of`; those scored on the benchmark are used.
        benchmark: Benchmark of the sounds.
        folders: Folders of `ActivationCache`.
        run_dirs: Run directories to which names of checkpoints in the tables may be relative (those of `watch`).

    Returns:
        Features (S, D) by title (network and stage), for the first few networks.
    """
    caches = [ActivationCache(folder) for folder in folders if folder.is_dir()]
    found: dict[str, np.ndarray] = {}
    if not caches:
        return found
    for each in entries_of(series, benchmark.name, _BY_WHICH_BEST):
        entry = next(iter(each.seeds), each)  # of a control of several seeds, the first
        stage = _best_stage(entry.rows)
        checkpoint = next((str(name) for name in reversed(entry.rows[t.CHECKPOINT].tolist()) if name), "")
        if not stage or not checkpoint or len(found) == MAX_NETWORKS:
            continue
        places = [str(folder / checkpoint) for folder in run_dirs if (folder / checkpoint).is_file()]
        features = _look_up(next(iter(places), checkpoint), stage, benchmark, caches)
        if features is not None:
            found[f"{entry.label}\n{stage}"] = features
    return found


def _look_up(checkpoint: str, stage: str, benchmark: Benchmark, caches: Sequence[ActivationCache]) -> np.ndarray | None:
    """Look up the features of one stage; None if the network or the features are missing."""
    try:
        net = load_network(checkpoint, run_factories=False).network
    except (SourceError, CheckpointError, OSError) as error:
        _log.warning("no matrix of sounds of %s: %s", checkpoint, error)
        return None
    sounds_key = benchmark.stimuli_fingerprint(int(net.sample_rate_hz), int(net.num_samples))
    key = activation_key(network_fingerprint(net), stage, sounds_key)
    return next((array for cache in caches if (array := cache.get(key)) is not None), None)


def _best_stage(rows: pd.DataFrame) -> str:
    """Find the stage with the highest score, by representational similarity if measured, else by encoding."""
    summary = t.summary_rows(rows)
    for metric in _BY_WHICH_BEST:
        of_metric = summary[(summary[t.METRIC] == metric) & (summary[t.REGION] == ALL) & summary[t.VALUE].notna()]
        if len(of_metric):
            return str(of_metric[t.STAGE].iloc[int(of_metric[t.VALUE].argmax())])
    return ""
