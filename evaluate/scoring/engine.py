"""The scoring engine: network and benchmark -> features -> metrics -> rows of the score table.

The callback, the commands `score` and `watch`, and `score_network` all call it. It works in two ways, which share the
code that measures (`_measure`):

- `score` takes one network in memory, which all processes hold, as during training. Results stay in memory.
- `run` takes any number of networks by name. It saves each result as soon as it is finished, so that a run can be
  killed at any moment and resumed. A network that cannot be scored does not stop the others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from datamodules.progress import ReportProgress
from evaluate.benchmarks.benchmark import Benchmark
from evaluate.features.activations import device_of, resolve_stages
from evaluate.features.cache import ActivationCache, activation_key, cached_activations
from evaluate.features.fingerprint import content_key, network_fingerprint
from evaluate.metrics.metric import Arrays, Computing
from evaluate.scoring import table as t
from evaluate.scoring.failures import Failure, one_line
from evaluate.scoring.parts import Parts
from evaluate.scoring.plan import ScoringPlan
from evaluate.scoring.ranks import Ranks
from evaluate.scoring.shares import Share, plan_rounds
from networks import LoadedNetwork, NetworkIdentity, load_network

if TYPE_CHECKING:
    import pandas as pd


_EXPECTED = (OSError, ValueError, RuntimeError)
"""Errors that explain themselves, about a file, a value, or from PyTorch: they need no traceback."""

_log = logging.getLogger(__name__)

_Piece = tuple[str, str]
"""A metric and a stage."""


class PartsError(RuntimeError):
    """Finished work of another process is not visible here."""


class _Measured(NamedTuple):
    """A network with all its results in `Parts`; `keys` maps (benchmark, metric, stage) to the key of each."""

    identity: NetworkIdentity
    stages: tuple[str, ...]
    keys: dict[tuple[str, str, str], str]


@dataclass(kw_only=True)
class ScoringEngine:
    """Scores networks.

    Attributes:
        plan: What to score, and how.
        ranks: The processes that share the work.
        cache: Cache of activations; None for none.
        progress: Called as `progress(what, num_done, num_total)` while this process works.
    """

    plan: ScoringPlan
    ranks: Ranks = field(default_factory=Ranks)
    cache: ActivationCache | None = None
    progress: ReportProgress | None = None
    _sound_keys: dict[tuple[str, int, int], str] = field(default_factory=dict, init=False)

    def score(self, net: Any, benchmark: Benchmark, identity: NetworkIdentity) -> pd.DataFrame:
        """Score a network that every process holds; each measures its share of the stages.

        Args:
            net: Network with named stages, such as `networks.AuditoryNetwork`; its state is restored.
            benchmark: One of the plan's benchmarks.
            identity: What the network is, for the table.

        Returns:
            Rows of the score table, the same on every process.

        Raises:
            StageError: A stage is unknown or its activations are not finite.
            BenchmarkError: The benchmark's sounds cannot be used.
            OtherRankError: Another process failed.
        """
        stages = resolve_stages(net, self.plan.stages)
        own = Share("", self.ranks.rank, self.ranks.num_ranks).of(stages)

        def measure_share() -> dict[_Piece, Arrays]:
            return dict(self._measure(net, benchmark, {stage: tuple(self.plan.metrics) for stage in own}))

        # First all ranks get the buffers of rank 0, then each measures its stages, then all get all results.
        with self.ranks.first_rank_buffers(net):
            shares = self.ranks.together(measure_share)
        results = {piece: arrays for share in shares for piece, arrays in share.items()}
        return self._tabulate(benchmark, stages, results, identity)

    def run(
        self,
        sources: Sequence[str],
        *,
        parts: Parts,
        publish: Callable[[pd.DataFrame], None],
        load: Callable[[str], LoadedNetwork] | None = None,
    ) -> Iterator[list[Failure]]:
        """Score networks round by round, saving each finished result.

        Each result of a network, benchmark, metric and stage is saved under a key that hashes everything it depends on.
        A run that is killed at any moment therefore resumes where it stopped and gives the same rows.

        Args:
            sources: Networks without repetitions, see `networks.load_network`.
            parts: Storage of finished results, in a folder that all processes share.
            publish: Called on rank 0 with the rows of each network as soon as it is finished, in the order of
                `sources`.
            load: Loads the network of a source; None for `networks.load_network`.

        Yields:
            After each round, on every rank, the networks that failed in it.

        Raises:
            OtherRankError: Another process raised an error that is not about a network.
            PartsError: On rank 0, if results of another process are not visible.
        """
        load = load or load_network
        for shares in plan_rounds(sources, self.ranks.num_ranks):
            own = shares[self.ranks.rank]
            outcomes = self.ranks.together(lambda own=own: self._attempt(own, parts, load))  # type: ignore[misc]
            failures, measured = _merge(shares, outcomes)
            self.ranks.together(lambda measured=measured: self._publish(measured, parts, publish))  # type: ignore[misc]
            yield failures

    def _measure(
        self,
        net: nn.Module,
        benchmark: Benchmark,
        wanted: Mapping[str, tuple[str, ...]],
        *,
        network_key: str | None = None,
        label: str = "",
    ) -> Iterator[tuple[_Piece, Arrays]]:
        """Measure the metrics (values) of stages (keys) in `wanted`, and yield each result as soon as it is finished.

        A metric that runs out of GPU memory is computed again on the CPU.
        """
        if not wanted:
            return
        device = self.plan.device or device_of(net)
        features = cached_activations(
            net,
            benchmark,
            cache=self.cache,
            stages=tuple(wanted),
            network_key=network_key,
            batch_size=self.plan.batch_size,
            device=device,
            progress=self._progress_under(f"{label}activations"),
        )
        for stage in features:
            for name in wanted[stage]:
                progress = self._progress_under(f"{label}{name} of {stage}")
                progress("", 0, 1)
                computing = Computing(
                    splits=self.plan.splits,
                    device=_float64_device(device),
                    memory_limit_gib=self.plan.memory_limit_gib,
                    progress=lambda num_done, num_total, progress=progress: progress("", num_done, num_total),  # type: ignore[misc]
                )
                metric = self.plan.metrics[name]
                try:
                    arrays = metric.measured(name, features[stage], benchmark, stage, computing)
                except torch.OutOfMemoryError:  # training may occupy most of the GPU
                    _log.warning("computing %s of %s on the CPU: the GPU is out of memory", name, stage)
                    computing = replace(computing, device="cpu")
                    arrays = metric.measured(name, features[stage], benchmark, stage, computing)
                yield (name, stage), arrays

    def _tabulate(
        self,
        benchmark: Benchmark,
        stages: Sequence[str],
        results: Mapping[_Piece, Arrays],
        identity: NetworkIdentity,
    ) -> pd.DataFrame:
        """Make the rows of a network on a benchmark, metric by metric."""
        rows = [
            row
            for name, metric in self.plan.metrics.items()
            for row in metric.tabulated(name, {stage: results[name, stage] for stage in stages}, benchmark)
        ]
        return t.identified(rows, benchmark.name, identity)

    def _attempt(self, share: Share, parts: Parts, load: Callable[[str], LoadedNetwork]) -> _Measured | Failure:
        """Compute a share; return an error as a `Failure`, so that the other networks are still scored."""
        try:
            return self._measure_share(share, parts, load)
        except _EXPECTED as error:
            return Failure(share.source, one_line(error))
        except Exception as error:  # of any kind: it must not stop the other networks
            _log.warning("scoring %s failed", share.source, exc_info=True)
            return Failure(share.source, one_line(error))

    def _measure_share(self, share: Share, parts: Parts, load: Callable[[str], LoadedNetwork]) -> _Measured:
        """Compute and save the results of a share that are not in `parts` yet."""
        loaded = load(share.source)
        net = loaded.network.to(self.plan.device or device_of(loaded.network))
        stages = resolve_stages(net, self.plan.stages)
        network_key = network_fingerprint(net)
        keys: dict[tuple[str, str, str], str] = {}
        for benchmark in self.plan.benchmarks:
            for stage in stages:
                activations = activation_key(network_key, stage, self._sounds_key(net, benchmark))
                for metric in self.plan.metrics:
                    keys[benchmark.name, metric, stage] = self._part_key(benchmark, metric, activations)
        for benchmark in self.plan.benchmarks:
            missing = {
                stage: tuple(
                    metric for metric in self.plan.metrics if parts.load(keys[benchmark.name, metric, stage]) is None
                )
                for stage in share.of(stages)
            }
            missing = {stage: metrics for stage, metrics in missing.items() if metrics}
            label = f"{Path(share.source).name} on {benchmark.name}: "
            measured = self._measure(net, benchmark, missing, network_key=network_key, label=label)
            for (metric, stage), arrays in measured:
                parts.save(keys[benchmark.name, metric, stage], arrays)
        return _Measured(loaded.identity, stages, keys)

    def _publish(self, measured: list[_Measured], parts: Parts, publish: Callable[[pd.DataFrame], None]) -> None:
        """Make and publish the rows of finished networks, on rank 0."""
        import pandas as pd

        if self.ranks.rank != 0:
            return
        for one in measured:
            tables = []
            for benchmark in self.plan.benchmarks:
                results = {
                    (metric, stage): _finished(parts, one.keys[benchmark.name, metric, stage])
                    for metric in self.plan.metrics
                    for stage in one.stages
                }
                tables.append(self._tabulate(benchmark, one.stages, results, one.identity))
            publish(pd.concat(tables, ignore_index=True))

    def _sounds_key(self, net: nn.Module, benchmark: Benchmark) -> str:
        sound_format = int(net.sample_rate_hz), int(net.num_samples)  # type: ignore[arg-type]
        key = (benchmark.name, *sound_format)
        if key not in self._sound_keys:
            self._sound_keys[key] = benchmark.stimuli_fingerprint(*sound_format)
        return self._sound_keys[key]

    def _part_key(self, benchmark: Benchmark, metric: str, activations: str) -> str:
        content = {
            **self.plan.metric_key(metric),
            "activations": activations,
            "benchmark": benchmark.content_hash(),
        }
        if self.plan.splits is not None:
            content["splits"] = [self.plan.splits.train.tolist(), self.plan.splits.test.tolist()]
        return content_key(content)

    def _progress_under(self, what: str) -> ReportProgress:
        """Return a progress callback that reports under a fixed name."""

        def report(_: str, num_done: int, num_total: int) -> None:
            if self.progress is not None:
                self.progress(what, num_done, num_total)

        return report


def _float64_device(device: torch.device) -> torch.device:
    """Device of the metrics: the network's if it is a CUDA GPU, else the CPU, as others may lack float64."""
    return device if device.type == "cuda" else torch.device("cpu")


def _finished(parts: Parts, key: str) -> Arrays:
    arrays = parts.load(key)
    if arrays is None:
        raise PartsError(
            f"a finished result is missing in {parts.folder} (expected {key}.npz): run again if it was removed, and "
            "choose a folder that all processes share"
        )
    return arrays


def _merge(shares: Sequence[Share], outcomes: Sequence[_Measured | Failure]) -> tuple[list[Failure], list[_Measured]]:
    """Return the failed and the finished networks of a round; a network that fails on any rank counts as failed."""
    failures: dict[str, Failure] = {}
    measured: dict[str, _Measured] = {}
    for share, outcome in zip(shares, outcomes, strict=True):
        if isinstance(outcome, Failure):
            failures.setdefault(share.source, outcome)
        else:
            measured.setdefault(share.source, outcome)
    return list(failures.values()), [one for source, one in measured.items() if source not in failures]
