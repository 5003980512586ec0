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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import nn

from datamodules.audio import PUBLISHED_DURATION_S
from datamodules.progress import ReportProgress
from evaluate.benchmarks.behaviour.trials import Trials
from evaluate.benchmarks.benchmark import ALL, Benchmark
from evaluate.features.activations import device_of, resolve_stages
from evaluate.features.cache import ActivationCache, activation_key, cached_activations, timed_activations
from evaluate.features.fingerprint import content_key, network_fingerprint
from evaluate.features.head_outputs import HeadOutputs, class_names
from evaluate.features.windows import windows_of
from evaluate.metrics.metric import NO_STAGE, Arrays, Computing, Metric
from evaluate.scoring import table as t
from evaluate.scoring.failures import Failure, one_line
from evaluate.scoring.parts import Parts
from evaluate.scoring.plan import ScoringPlan
from evaluate.scoring.ranks import Ranks
from evaluate.scoring.references import References
from evaluate.scoring.shares import Share, plan_rounds
from networks import LoadedNetwork, NetworkIdentity, load_network

if TYPE_CHECKING:
    import pandas as pd


_EXPECTED = (OSError, ValueError, RuntimeError)
"""Errors that explain themselves, about a file, a value, or from PyTorch: they need no traceback."""

_log = logging.getLogger(__name__)

_Piece = tuple[str, str]
"""A metric and a stage, or `NO_STAGE` for the metric's ceiling."""


class PartsError(RuntimeError):
    """Finished work of another process is not visible here."""


class _Measured(NamedTuple):
    """A network with all its results in `Parts`.

    `stages` are those of each benchmark; `keys` maps (benchmark, metric, stage) to the key of each result.
    """

    identity: NetworkIdentity
    stages: dict[str, tuple[str, ...]]
    keys: dict[tuple[str, str, str], str]


@dataclass(kw_only=True)
class ScoringEngine:
    """Scores networks.

    Attributes:
        plan: What to score, and how.
        ranks: The processes that share the work.
        cache: Cache of activations; None for none.
        progress: Called as `progress(what, num_done, num_total)` while this process works.
        references: Features of reference networks, which several engines may share.
        ceilings: What was measured without a network, by benchmark and metric; engines may share it, too.
    """

    plan: ScoringPlan
    ranks: Ranks = field(default_factory=Ranks)
    cache: ActivationCache | None = None
    progress: ReportProgress | None = None
    references: References = field(default_factory=References)
    ceilings: dict[tuple[str, str], Arrays] = field(default_factory=dict)
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
        stages = self._stages_on(net, benchmark)
        own = Share("", self.ranks.rank, self.ranks.num_ranks).of((*stages, NO_STAGE))
        wanted = {stage: tuple(self._metrics_of(benchmark, stage)) for stage in own}
        known = {(name, NO_STAGE): arrays for (of, name), arrays in self.ceilings.items() if of == benchmark.name}
        if NO_STAGE in wanted:
            wanted[NO_STAGE] = tuple(name for name in wanted[NO_STAGE] if (name, NO_STAGE) not in known)

        def measure_share() -> dict[_Piece, Arrays]:
            return dict(self._measure(net, benchmark, wanted))

        # First all ranks get the buffers of rank 0, then each measures its stages, then all get all results.
        with self.ranks.first_rank_buffers(net):
            shares = self.ranks.together(measure_share)
        results = known | {piece: arrays for share in shares for piece, arrays in share.items()}
        # Ceilings are the same for every network: they are kept for the next one.
        self.ceilings |= {(benchmark.name, name): results[name, stage] for name, stage in results if stage == NO_STAGE}
        device = self.plan.device or device_of(net)

        def join() -> dict[_Piece, Arrays]:
            if self.ranks.rank != 0:
                return {}
            return {
                (name, ALL): self._join(name, benchmark, {stage: results[name, stage] for stage in stages}, device)
                for name in self._joining(benchmark)
            }

        results |= self.ranks.together(join)[0]
        return self._tabulate(benchmark, stages, results, identity)

    def _stages_on(self, net: Any, benchmark: Benchmark) -> tuple[str, ...]:
        """Stages to score on a benchmark; on one of listeners, the head that answers."""
        return resolve_stages(net, self.plan.stages) if benchmark.trials is None else (benchmark.trials.task,)

    def _metrics_of(self, benchmark: Benchmark, stage: str) -> list[str]:
        """Metrics to measure on a stage, or without one."""
        metrics = self.plan.metrics_on(benchmark)
        if stage != NO_STAGE:
            return list(metrics)
        return [name for name, metric in metrics.items() if metric.ceiling and benchmark.participant_ceiling]

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
        device = self.plan.device or device_of(net)
        for name in wanted.get(NO_STAGE, ()):
            ceiling = self.plan.metrics[name].ceiling
            assert ceiling is not None  # by `_metrics_of`
            measure = partial(ceiling.measure, benchmark)
            yield (name, NO_STAGE), self._computed(f"{name} between participants", measure, label=label, device=device)
        wanted = {stage: names for stage, names in wanted.items() if stage != NO_STAGE}
        if not wanted:
            return
        features = self._features(net, benchmark, wanted, network_key=network_key, label=label, device=device)
        for stage, names, values, duration_s in features:
            for name in names:
                metric = self.plan.metrics[name]
                arrays = self._computed(
                    f"{name} of {stage}",
                    partial(metric.measured, name, values, benchmark, stage),
                    label=label,
                    device=device,
                    duration_s=duration_s,
                    class_names=() if benchmark.trials is None else _class_names(net, benchmark.trials),
                    reference=self._reference(metric, net, benchmark, device),
                )
                yield (name, stage), arrays
            del values  # before the next stage's are computed: in time, they are large

    def _joining(self, benchmark: Benchmark) -> list[str]:
        """Metrics that are also measured of all stages together."""
        return [name for name, metric in self.plan.metrics_on(benchmark).items() if metric.join is not None]

    def _join(self, name: str, benchmark: Benchmark, results: Mapping[str, Arrays], device: torch.device) -> Arrays:
        """Measure a metric of all stages together, from the results of each."""
        measure = partial(self.plan.metrics[name].joined, name, results, benchmark)
        return self._computed(f"{name} of all stages", measure, label="", device=device)

    def _reference(
        self, metric: Metric, net: nn.Module, benchmark: Benchmark, device: torch.device
    ) -> np.ndarray | None:
        """Features of the network that a metric compares with; None if it compares with none."""
        if not metric.reference:
            return None
        return self.references.features(
            metric.reference,
            benchmark,
            net=net,
            device=device,
            cache=self.cache,
            batch_size=self.plan.batch_size,
            memory_limit_gib=self.plan.memory_limit_gib,
            progress=self._progress_under(f"activations of {metric.reference}"),
        )

    def _computed(
        self,
        what: str,
        measure: Callable[[Computing], Arrays],
        *,
        label: str,
        device: torch.device,
        duration_s: float = PUBLISHED_DURATION_S,
        class_names: tuple[str, ...] = (),
        reference: np.ndarray | None = None,
    ) -> Arrays:
        """Measure on a device, or on the CPU if the GPU is out of memory."""
        progress = self._progress_under(f"{label}{what}")
        progress("", 0, 1)
        computing = Computing(
            splits=self.plan.splits,
            device=_float64_device(device),
            memory_limit_gib=self.plan.memory_limit_gib,
            progress=lambda num_done, num_total: progress("", num_done, num_total),
            duration_s=duration_s,
            class_names=class_names,
            reference=reference,
        )
        try:
            return measure(computing)
        except torch.OutOfMemoryError:  # training may occupy most of the GPU
            _log.warning("computing %s on the CPU: the GPU is out of memory", what)
            return measure(replace(computing, device="cpu"))

    def _features(
        self,
        net: nn.Module,
        benchmark: Benchmark,
        wanted: Mapping[str, tuple[str, ...]],
        *,
        network_key: str | None,
        label: str,
        device: torch.device,
    ) -> Iterator[tuple[str, list[str], np.ndarray, float]]:
        """Yield stage, metrics, features and seconds heard: averaged features first, then those in time."""
        averaged, in_time = (
            {
                stage: [name for name in names if self.plan.metrics[name].in_time is timed]
                for stage, names in wanted.items()
            }
            for timed in (False, True)
        )
        if benchmark.trials is not None:
            net = HeadOutputs(net, benchmark.trials.task)
        progress = self._progress_under(f"{label}activations")
        sample_rate_hz, num_samples = int(net.sample_rate_hz), int(net.num_samples)  # type: ignore[arg-type]
        if stages := tuple(stage for stage, names in averaged.items() if names):
            found = cached_activations(
                net,
                benchmark,
                cache=self.cache,
                stages=stages,
                network_key=network_key,
                batch_size=self.plan.batch_size,
                device=device,
                progress=progress,
            )
            for stage, features in found.items():
                yield stage, averaged[stage], features, num_samples / sample_rate_hz
        if stages := tuple(stage for stage, names in in_time.items() if names):
            windows = windows_of(benchmark, sample_rate_hz, num_samples)
            timed = timed_activations(
                net,
                benchmark,
                cache=self.cache,
                stages=stages,
                network_key=network_key,
                batch_size=self.plan.batch_size,
                device=device,
                memory_limit_gib=self.plan.memory_limit_gib / 4,  # the metric's working memory comes on top
                progress=progress,
            )
            for stage, features in timed:
                yield stage, in_time[stage], features, windows.total_samples / sample_rate_hz
                del features

    def _tabulate(
        self,
        benchmark: Benchmark,
        stages: Sequence[str],
        results: Mapping[_Piece, Arrays],
        identity: NetworkIdentity,
    ) -> pd.DataFrame:
        """Make the rows of a network on a benchmark, metric by metric."""
        rows = []
        for name, metric in self.plan.metrics_on(benchmark).items():
            of_stages = stages if metric.join is None else (*stages, ALL)
            rows += metric.tabulated(name, {stage: results[name, stage] for stage in of_stages}, benchmark)
            if metric.ceiling is not None and (name, NO_STAGE) in results:
                rows += metric.ceiling.tabulate(results[name, NO_STAGE], benchmark)
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
        stages = {benchmark.name: self._stages_on(net, benchmark) for benchmark in self.plan.benchmarks}
        network_key = network_fingerprint(net)
        keys: dict[tuple[str, str, str], str] = {}
        for benchmark in self.plan.benchmarks:
            for stage in (*stages[benchmark.name], NO_STAGE):
                for name in self._metrics_of(benchmark, stage):
                    metric = self.plan.metrics[name]
                    activations = NO_STAGE
                    if stage != NO_STAGE:
                        sounds_key = self._sounds_key(net, benchmark, in_time=metric.in_time)
                        activations = activation_key(network_key, stage, sounds_key, average=not metric.in_time)
                    more: dict[str, Any] = {}
                    if benchmark.trials is not None:
                        more["classes"] = list(_class_names(net, benchmark.trials))
                    if metric.reference:
                        more["reference"] = self.references.key(metric.reference, net)
                    keys[benchmark.name, name, stage] = self._part_key(benchmark, name, activations, more)
            for name in self._joining(benchmark):
                of_stages = [keys[benchmark.name, name, stage] for stage in stages[benchmark.name]]
                keys[benchmark.name, name, ALL] = content_key(of_stages)
        for benchmark in self.plan.benchmarks:
            missing = {
                stage: tuple(
                    name
                    for name in self._metrics_of(benchmark, stage)
                    if parts.load(keys[benchmark.name, name, stage]) is None
                )
                for stage in share.of((*stages[benchmark.name], NO_STAGE))
            }
            missing = {stage: names for stage, names in missing.items() if names}
            label = f"{Path(share.source).name} on {benchmark.name}: "
            measured = self._measure(net, benchmark, missing, network_key=network_key, label=label)
            for (name, stage), arrays in measured:
                parts.save(keys[benchmark.name, name, stage], arrays)
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
                    (metric, stage): _finished(parts, key)
                    for (name, metric, stage), key in one.keys.items()
                    if name == benchmark.name and stage != ALL
                }
                stages = one.stages[benchmark.name]
                for name in self._joining(benchmark):
                    key = one.keys[benchmark.name, name, ALL]
                    if (arrays := parts.load(key)) is None:
                        of_stages = {stage: results[name, stage] for stage in stages}
                        arrays = self._join(name, benchmark, of_stages, self.plan.device or torch.device("cpu"))
                        parts.save(key, arrays)
                    results[name, ALL] = arrays
                tables.append(self._tabulate(benchmark, stages, results, one.identity))
            publish(pd.concat(tables, ignore_index=True))

    def _sounds_key(self, net: nn.Module, benchmark: Benchmark, *, in_time: bool) -> str:
        sample_rate_hz, num_samples = int(net.sample_rate_hz), int(net.num_samples)  # type: ignore[arg-type]
        if in_time:
            num_samples = windows_of(benchmark, sample_rate_hz, num_samples).total_samples
        sound_format = sample_rate_hz, num_samples
        key = (benchmark.name, *sound_format)
        if key not in self._sound_keys:
            self._sound_keys[key] = benchmark.stimuli_fingerprint(*sound_format)
        return self._sound_keys[key]

    def _part_key(self, benchmark: Benchmark, metric: str, activations: str, more: Mapping[str, Any]) -> str:
        content = {
            **self.plan.metric_key(metric),
            "activations": activations,
            "benchmark": benchmark.content_hash(),
            **{name: value for name, value in more.items() if value},
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


def _class_names(net: Any, trials: Trials) -> tuple[str, ...]:
    """Names of the classes of the head that answers: the network's own, or else those that the benchmark names."""
    return class_names(net, trials.task) or trials.classes


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
