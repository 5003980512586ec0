"""Scoring many networks: spread over processes, kept piece by piece, unharmed by networks that cannot be scored."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from evaluate.benchmarks.benchmark import Benchmark, BenchmarkError
from evaluate.features.activations import Progress, resolve_stages
from evaluate.features.cache import ActivationCache, activation_key, cached_activations
from evaluate.features.fingerprint import content_key, network_fingerprint
from evaluate.metrics.metric import METRICS, Computing
from evaluate.options import DEFAULT_BATCH_SIZE, DEFAULT_MEMORY_LIMIT_GIB
from evaluate.scoring.parts import Parts
from evaluate.scoring.ranks import Ranks
from evaluate.scoring.rows import Origin
from evaluate.scoring.shares import Share, plan_rounds
from networks import LoadedNetwork, load_network

if TYPE_CHECKING:
    import pandas as pd


MAX_REASON_CHARACTERS = 300

_EXPECTED = (OSError, ValueError, RuntimeError)
"""Errors that say by themselves what is wrong: with a file, a value, or in PyTorch."""

_log = logging.getLogger(__name__)


class PartsError(RuntimeError):
    """Finished work of another process cannot be seen here."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be scored and how.

    Attributes:
        sources: Networks, see `networks.load_network`, each once.
        benchmarks: What they are scored on; their names differ.
        metrics: Names in `METRICS`.
        stages: Stages to score, None for all.
        batch_size: Sounds per forward pass.
        device: Where networks and encoding run.
        memory_limit_gib: Bound on encoding's working memory, in GiB.

    Raises:
        BenchmarkError: A metric needs what a benchmark has not.
    """

    sources: tuple[str, ...]
    benchmarks: tuple[Benchmark, ...]
    metrics: tuple[str, ...] = ("encoding",)
    stages: tuple[str, ...] | None = None
    batch_size: int = DEFAULT_BATCH_SIZE
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    memory_limit_gib: float = DEFAULT_MEMORY_LIMIT_GIB

    def __post_init__(self) -> None:
        """Check that each metric can work on each benchmark."""
        for metric in self.metrics:
            for benchmark in self.benchmarks:
                if METRICS[metric].needs_categories and benchmark.categories is None:
                    raise BenchmarkError(
                        f"metric {metric} needs categories of sounds, which benchmark {benchmark.name!r} has not: "
                        "leave one of them out"
                    )


class Failure(NamedTuple):
    """A network that could not be scored.

    Attributes:
        source: The network.
        reason: Why, in one line.
    """

    source: str
    reason: str


class _Measured(NamedTuple):
    """A network whose results are in parts: the key of each by (benchmark's number, metric, stage)."""

    origin: Origin
    stages: tuple[str, ...]
    keys: dict[tuple[int, str, str], str]


@dataclass(kw_only=True)
class ScoreRun:
    """Scores networks on benchmarks; what is finished stays finished.

    Every result of a (network, benchmark, metric, stage) is kept in `parts` under a key of all that it depends on, so
    that a run that was killed at any moment goes on where it stopped, and gives the same rows.

    Attributes:
        request: What is to be scored.
        parts: Where finished results are; a folder that all processes see.
        cache: Where activations are looked up and kept, None for nowhere.
        ranks: The processes that work together.
        progress: Called as `progress(what, num_done, num_total)` while this process works.
        load: Gives the network of a source; None for `networks.load_network`.
    """

    request: Request
    parts: Parts
    cache: ActivationCache | None = None
    ranks: Ranks = field(default_factory=Ranks)
    progress: Progress | None = None
    load: Callable[[str], LoadedNetwork] | None = None
    _sound_keys: dict[tuple[int, int, int], str] = field(default_factory=dict, init=False)

    def run(self, publish: Callable[[pd.DataFrame], None]) -> Iterator[list[Failure]]:
        """Score round after round.

        Args:
            publish: Called on rank 0 with the rows of each network as soon as they are there, in the order of the
                networks.

        Yields:
            After each round, on every rank, the networks of it that failed.

        Raises:
            OtherRankError: Another process raised what is no failure of a network.
            PartsError: On rank 0, parts of another process cannot be seen.
        """
        for shares in plan_rounds(self.request.sources, self.ranks.num_ranks):
            own = shares[self.ranks.rank]
            outcomes = self.ranks.together(lambda own=own: self._attempt(own))  # type: ignore[misc]
            failures, measured = _merge(shares, outcomes)
            self.ranks.together(lambda measured=measured: self._publish(measured, publish))  # type: ignore[misc]
            yield failures

    def _attempt(self, share: Share) -> _Measured | Failure:
        """Do a share; what goes wrong with a network does not concern the others."""
        try:
            return self._measure(share)
        except _EXPECTED as error:
            return Failure(share.source, one_line(error))
        except Exception as error:  # whatever it is, the other networks are not lost
            _log.warning("scoring %s failed", share.source, exc_info=True)
            return Failure(share.source, one_line(error))

    def _measure(self, share: Share) -> _Measured:
        """Compute what is not in parts yet."""
        loaded = (self.load or load_network)(share.source)
        net = loaded.network.to(self.request.device)
        stages = resolve_stages(net, self.request.stages)
        network_key = network_fingerprint(net)
        keys = {
            (number, metric, stage): self._part_key(
                number, metric, self._activation_key(net, network_key, number, stage)
            )
            for number in range(len(self.request.benchmarks))
            for metric in self.request.metrics
            for stage in stages
        }
        own_stages = stages[share.first :: share.every]
        for number in range(len(self.request.benchmarks)):
            missing = {
                (metric, stage): key
                for (whose, metric, stage), key in keys.items()
                if whose == number and stage in own_stages and self.parts.load(key) is None
            }
            if missing:
                self._compute(net, network_key, number, missing, Path(share.source).name)
        origin = Origin(run=loaded.run, checkpoint=loaded.checkpoint, step=loaded.step, epoch=loaded.epoch)
        return _Measured(origin, stages, keys)

    def _compute(
        self, net: nn.Module, network_key: str, number: int, missing: dict[tuple[str, str], str], name: str
    ) -> None:
        """Compute results of one network and benchmark and keep each as soon as it is there."""
        benchmark = self.request.benchmarks[number]
        stages = tuple(dict.fromkeys(stage for _, stage in missing))
        features = cached_activations(
            net,
            benchmark,
            cache=self.cache,
            stages=stages,
            network_key=network_key,
            batch_size=self.request.batch_size,
            device=self.request.device,
            progress=self._told(f"{name} on {benchmark.name}: activations"),
        )
        for stage in features:
            for metric in self.request.metrics:
                key = missing.get((metric, stage))
                if key is None:
                    continue
                what = f"{name} on {benchmark.name}: {metric} of {stage}"
                told = self._told(what)
                told(what, 0, 1)
                computing = Computing(
                    device=self.request.device,
                    memory_limit_gib=self.request.memory_limit_gib,
                    progress=lambda num_done, num_total, told=told: told("", num_done, num_total),  # type: ignore[misc]
                )
                self.parts.save(key, METRICS[metric].measure(features[stage], benchmark, stage, computing))

    def _publish(self, measured: list[_Measured], publish: Callable[[pd.DataFrame], None]) -> None:
        """Make rows of finished networks, on rank 0."""
        import pandas as pd

        if self.ranks.rank != 0:
            return
        for one in measured:
            tables = [
                METRICS[metric].tabulate(
                    {stage: self._finished(one.keys[number, metric, stage]) for stage in one.stages},
                    benchmark,
                    one.origin,
                )
                for number, benchmark in enumerate(self.request.benchmarks)
                for metric in self.request.metrics
            ]
            publish(pd.concat(tables, ignore_index=True))

    def _finished(self, key: str) -> dict:
        arrays = self.parts.load(key)
        if arrays is None:
            raise PartsError(
                f"finished work is not in {self.parts.folder} (expected {key}.npz): was it removed, or is it a folder "
                "that not all processes share?"
            )
        return arrays

    def _activation_key(self, net: nn.Module, network_key: str, number: int, stage: str) -> str:
        rate_hz, num_samples = int(net.sample_rate_hz), int(net.num_samples)  # type: ignore[arg-type]
        place = (number, rate_hz, num_samples)
        if place not in self._sound_keys:
            self._sound_keys[place] = self.request.benchmarks[number].stimuli_fingerprint(rate_hz, num_samples)
        return activation_key(network_key, stage, self._sound_keys[place])

    def _part_key(self, number: int, metric: str, activations: str) -> str:
        content = {
            "metric": metric,
            "version": METRICS[metric].version,
            "activations": activations,
            "benchmark": self.request.benchmarks[number].content_hash(),
        }
        return content_key(content)

    def _told(self, what: str) -> Progress:
        """Progress under a name."""

        def tell(_: str, num_done: int, num_total: int) -> None:
            if self.progress is not None:
                self.progress(what, num_done, num_total)

        return tell


def _merge(shares: Sequence[Share], outcomes: Sequence[_Measured | Failure]) -> tuple[list[Failure], list[_Measured]]:
    """The failed and the finished networks of a round; one that failed on any rank has failed."""
    failures: dict[str, Failure] = {}
    measured: dict[str, _Measured] = {}
    for share, outcome in zip(shares, outcomes, strict=True):
        if isinstance(outcome, Failure):
            failures.setdefault(share.source, outcome)
        else:
            measured.setdefault(share.source, outcome)
    return list(failures.values()), [one for source, one in measured.items() if source not in failures]


def one_line(error: BaseException) -> str:
    """Shorten an error to what fits on a line.

    Args:
        error: Any exception; PyTorch's can be pages long.

    Returns:
        The first line of its message, and its kind where that says more than the message.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    message = lines[0] if lines else ""
    if len(message) > MAX_REASON_CHARACTERS:
        message = f"{message[:MAX_REASON_CHARACTERS]} ..."
    if isinstance(error, (OSError, ValueError)) and message:
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
