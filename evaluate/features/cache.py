"""Activations on disk: computed once for a network's weights, a stage and a set of sounds, then reused."""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from datamodules.files import remove_leftovers
from datamodules.progress import ReportProgress
from evaluate.benchmarks.benchmark import Benchmark
from evaluate.features.activations import resolve_stages, stage_activations
from evaluate.features.array_files import read_array, write_array
from evaluate.features.fingerprint import content_key, network_fingerprint
from evaluate.features.windows import Windows, windows_of
from evaluate.options import DEFAULT_BATCH_SIZE, DEFAULT_CACHE_GIB, DEFAULT_MEMORY_LIMIT_GIB
from networks.text.wording import counted

CACHE_VERSION = 1
"""Increase it when the results of `stage_activations` change, so that old files are not used."""

_FILES = "*.npy"

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class ActivationCache:
    """Features of stages in the files of one folder, with a limit on their total size.

    Above the limit, the least recently used files are removed. Files are never partly written, and damaged ones count
    as missing. Several processes may use a folder at the same time.

    Attributes:
        folder: Folder of the files; created with the first one.
        limit_gib: Maximum size of all files together, in GiB.
        num_found: Number of arrays found so far.
        num_missed: Number of arrays not found so far.

    Raises:
        ValueError: The limit is not positive.
    """

    folder: Path
    limit_gib: float = DEFAULT_CACHE_GIB
    num_found: int = field(default=0, init=False)
    num_missed: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if not self.limit_gib > 0:
            raise ValueError(f"expected a limit of more than 0 GiB, got {self.limit_gib}; use no cache instead of 0")
        self.folder = Path(self.folder)

    def get(self, key: str) -> np.ndarray | None:
        """Find an array and mark it as used.

        Args:
            key: Key that it was saved under.

        Returns:
            The array, mapped from its file; None if it is missing or damaged.
        """
        path = self._path(key)
        array = read_array(path)
        if array is None:
            self.num_missed += 1
            return None
        self.num_found += 1
        try:
            os.utime(path)
        except OSError:  # another process has just evicted it, or the folder is read-only; the array is valid
            _log.debug("%s: its time of use could not be set", path)
        return array

    def put(self, key: str, array: np.ndarray) -> None:
        """Save an array, or log a warning if it cannot be written.

        Args:
            key: Key to save it under.
            array: The array; it is not saved if it is larger than the limit.
        """
        if array.nbytes > self._limit_bytes:
            _log.warning(
                "activations of %.2f GiB are not cached: the limit is %g GiB", _gib(array.nbytes), self.limit_gib
            )
            return
        path = self._path(key)
        try:
            write_array(path, array)
        except OSError as error:
            _log.warning("activations are not cached: %s", error)
            return
        self._evict(keep=path)

    def size_bytes(self) -> int:
        """Current size of all files together."""
        return sum(size for _, size, _ in self._files())

    def __str__(self) -> str:
        """Describe its folder, its size and how often it was used."""
        used = f"{counted(self.num_found, 'stage')} reused, {self.num_missed} computed"
        if not self.num_found + self.num_missed:
            used = "none was needed, as all results were there"
        return f"{self.folder}: {_gib(self.size_bytes()):.2f} of at most {self.limit_gib:g} GiB, {used}"

    @property
    def _limit_bytes(self) -> int:
        return int(self.limit_gib * 2**30)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.npy"

    def _files(self) -> list[tuple[float, int, Path]]:
        """Time of last use, size and path of every file, least recently used first."""
        found = []
        for path in self.folder.glob(_FILES):
            try:
                status = path.stat()
            except FileNotFoundError:  # evicted by another process meanwhile
                continue
            found.append((status.st_mtime, status.st_size, path))
        return sorted(found)

    def _evict(self, *, keep: Path) -> None:
        """Remove the least recently used files until the limit is met, and temporary files of killed writers."""
        files = self._files()
        total = sum(size for _, size, _ in files)
        for _, size, path in files:
            if total <= self._limit_bytes:
                break
            if path != keep:
                path.unlink(missing_ok=True)
                total -= size
        remove_leftovers(self.folder)


def cached_activations(
    net: nn.Module,
    benchmark: Benchmark,
    *,
    cache: ActivationCache | None,
    stages: Sequence[str] | None = None,
    average: bool = True,
    network_key: str | None = None,
    batch_size: int = DEFAULT_BATCH_SIZE,
    device: torch.device | str | None = None,
    progress: ReportProgress | None = None,
) -> dict[str, np.ndarray]:
    """Return each stage's features of a benchmark's sounds, from the cache if possible.

    The key depends on network, stage and sounds, but not on batch size and device: they change only the rounding (about
    1e-6 of a feature), and find the same features.

    Args:
        net: Network with named stages.
        benchmark: Benchmark of the sounds.
        cache: The cache; None computes all features.
        stages: Stages to return, None for all.
        average: Whether to average over time, see `stage_activations`.
        network_key: `network_fingerprint(net)`, if already known.
        batch_size: Sounds per forward pass.
        device: Device of the sounds, None for that of the network.
        progress: Called as `progress("activations", num_done, num_total)`.

    Returns:
        Features (S, D), or (S, D, N) with `average=False`, in float32 by stage, in the network's order. Sounds that are
        longer than the network's input are cut if `average`, else heard in overlapping windows (`Windows`) if the
        benchmark's responses have time.

    Raises:
        StageError: A stage is unknown, or its activations are not finite.
        BenchmarkError: The benchmark's sounds cannot be used.
    """
    wanted = resolve_stages(net, stages)  # type: ignore[arg-type]
    sample_rate_hz, num_samples = int(net.sample_rate_hz), int(net.num_samples)  # type: ignore[arg-type]
    windows = Windows(num_samples) if average else windows_of(benchmark, sample_rate_hz, num_samples)
    sound_format = sample_rate_hz, windows.total_samples
    found: dict[str, np.ndarray] = {}
    keys: dict[str, str] = {}
    if cache is not None:
        network_key = network_key or network_fingerprint(net)
        sounds_key = benchmark.stimuli_fingerprint(*sound_format)
        keys = {stage: activation_key(network_key, stage, sounds_key, average=average) for stage in wanted}
        kept = {stage: cache.get(key) for stage, key in keys.items()}
        found = {stage: features for stage, features in kept.items() if features is not None}
    missing = [stage for stage in wanted if stage not in found]
    if missing:
        computed = stage_activations(
            net,
            windows.cut(benchmark.stimuli(*sound_format)),
            stages=missing,
            average=average,
            batch_size=batch_size,
            device=device,
            progress=progress,
        )
        for stage in missing:
            found[stage] = windows.join(computed.pop(stage))
            if cache is not None:
                cache.put(keys[stage], found[stage])
    return {stage: found[stage] for stage in wanted}


def timed_activations(
    net: nn.Module,
    benchmark: Benchmark,
    *,
    cache: ActivationCache | None,
    stages: Sequence[str],
    network_key: str | None = None,
    batch_size: int = DEFAULT_BATCH_SIZE,
    device: torch.device | str | None = None,
    memory_limit_gib: float = DEFAULT_MEMORY_LIMIT_GIB,
    progress: ReportProgress | None = None,
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each stage's features in time, of as many stages per pass through the sounds as fit into memory.

    Args:
        net: Network with named stages.
        benchmark: Benchmark of the sounds.
        cache: The cache; None computes all features.
        stages: Stages to yield.
        network_key: `network_fingerprint(net)`, if already known.
        batch_size: Sounds per forward pass.
        device: Device of the sounds, None for that of the network.
        memory_limit_gib: Features to have in memory at a time, in GiB; a single stage may need more.
        progress: As for `cached_activations`.

    Yields:
        Stage and features (S, D, N) in float32, in the network's order.

    Raises:
        StageError: A stage is unknown, or its activations are not finite.
        BenchmarkError: The benchmark's sounds cannot be used.
    """
    sample_rate_hz, num_samples = int(net.sample_rate_hz), int(net.num_samples)  # type: ignore[arg-type]
    windows = windows_of(benchmark, sample_rate_hz, num_samples)
    noise = np.random.default_rng(0).standard_normal((1, num_samples)).astype(np.float32)
    one = stage_activations(net, noise, stages=stages, average=False, device=device)
    num_sounds = benchmark.num_stimuli * windows.num_windows
    sizes = {stage: features.nbytes * num_sounds for stage, features in one.items()}
    for group in _grouped(sizes, int(memory_limit_gib * 2**30)):
        features = cached_activations(
            net,
            benchmark,
            cache=cache,
            stages=group,
            average=False,
            network_key=network_key,
            batch_size=batch_size,
            device=device,
            progress=progress,
        )
        for stage in group:
            yield stage, features.pop(stage)


def _grouped(sizes: Mapping[str, int], limit: int) -> list[list[str]]:
    """Divide names, in order, into groups whose sizes add up to at most a limit, or of one name."""
    groups: list[list[str]] = []
    total = 0
    for name, size in sizes.items():
        if not groups or total + size > limit:
            groups.append([])
            total = 0
        groups[-1].append(name)
        total += size
    return groups


def activation_key(network_key: str, stage: str, sounds_key: str, *, average: bool = True) -> str:
    """Hash all that a stage's features depend on; keys by `network_fingerprint`, `Benchmark.stimuli_fingerprint`."""
    content: dict[str, object] = {
        "version": CACHE_VERSION,
        "network": network_key,
        "stage": stage,
        "sounds": sounds_key,
    }
    # Averaged features keep the key that they had before features in time existed.
    return content_key(content if average else {**content, "average": False})


def _gib(num_bytes: int) -> float:
    return num_bytes / 2**30
