"""The work of a build, cut into tar files that any process can write."""

import multiprocessing
import os
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from multiprocessing.context import BaseContext
from pathlib import Path

import torch
from rich.progress import Progress

from datamodules.audio import AudioError
from datamodules.build_folder import BuildError, Problem
from datamodules.clips import cut_clip
from datamodules.manifests import ManifestEntry
from datamodules.order import Purpose, permutation
from datamodules.shard_index import shard_file_name
from datamodules.shard_writer import NewClip, ShardRecord, write_shard

_MAX_PROBLEMS_NAMED = 5


@dataclass(frozen=True)
class ShardJob:
    """One tar file to be written by one process."""

    path: Path
    split: str
    entries: tuple[ManifestEntry, ...]


@dataclass(frozen=True)
class Cutting:
    """How entries become clips."""

    sample_rate_hz: int
    clip_duration_s: float | None
    min_duration_s: float
    skip_bad: bool


def plan(folder: Path, entries: Sequence[ManifestEntry], clips_per_shard: int, seed: int) -> list[ShardJob]:
    """Which clips go to which tar file: sorted by key, then shuffled, then cut."""
    shards = []
    for split in sorted({entry.split for entry in entries}):
        ordered = sorted((entry for entry in entries if entry.split == split), key=lambda entry: entry.key)
        order = permutation(len(ordered), seed=seed, purpose=Purpose.BUILD_ORDER)
        (folder / split).mkdir()
        for number, first in enumerate(range(0, len(ordered), clips_per_shard)):
            chosen = tuple(ordered[i] for i in order[first : first + clips_per_shard])
            shards.append(ShardJob(folder / split / shard_file_name(number), split, chosen))
    return shards


def write_all(
    shards: Sequence[ShardJob], cutting: Cutting, num_workers: int | None, *, progress: bool
) -> tuple[dict[Path, ShardRecord], list[Problem]]:
    """Write the tar files; the outcome by path, and what was skipped in the order of the rows."""
    written: dict[Path, ShardRecord] = {}
    problems: list[Problem] = []
    num_workers = min(_num_cores() if num_workers is None else max(1, num_workers), len(shards))
    # Closed before an error goes on: no process writes any more when the folder is deleted.
    with (
        Progress(disable=not progress, transient=True) as bar,
        closing(_results(shards, cutting, num_workers)) as results,
    ):
        task = bar.add_task("building shards", total=sum(len(shard.entries) for shard in shards))
        for shard, record, found in results:
            if found and not cutting.skip_bad:
                raise bad_clips(found)
            problems += found
            if record is not None:
                written[shard.path] = record
            bar.advance(task, len(shard.entries))
    return written, sorted(problems, key=lambda problem: problem.row)


def _results(
    shards: Sequence[ShardJob], cutting: Cutting, num_workers: int
) -> Generator[tuple[ShardJob, ShardRecord | None, list[Problem]], None, None]:
    write = partial(_write_one, cutting=cutting)
    if num_workers == 1:
        yield from ((shard, *write(shard)) for shard in shards)
        return
    with ExitStack() as stack:
        executor = stack.enter_context(_pool(num_workers))
        # Reached also when the caller stops at an error: what has not begun is not begun any more.
        stack.callback(executor.shutdown, cancel_futures=True)
        futures = {executor.submit(write, shard): shard for shard in shards}
        for future in as_completed(futures):
            try:
                record, problems = future.result()
            except BrokenProcessPool as error:
                raise BuildError(
                    "nothing was built: a worker process died, perhaps for lack of memory: use fewer workers"
                ) from error
            yield futures[future], record, problems


def _write_one(shard: ShardJob, cutting: Cutting) -> tuple[ShardRecord | None, list[Problem]]:
    """Write one tar file, in whatever process; no record when none of its clips could be used."""
    problems: list[Problem] = []
    clips = _usable(shard.entries, cutting, problems)
    record = write_shard(shard.path, clips, sample_rate_hz=cutting.sample_rate_hz)
    if not record.clips:
        shard.path.unlink()
        return None, problems
    return record, problems


def _usable(entries: Sequence[ManifestEntry], cutting: Cutting, problems: list[Problem]) -> Iterator[NewClip]:
    for entry in entries:
        if not cutting.skip_bad and len(problems) >= _MAX_PROBLEMS_NAMED:
            return
        try:
            yield cut_clip(
                entry,
                sample_rate_hz=cutting.sample_rate_hz,
                clip_duration_s=cutting.clip_duration_s,
                min_duration_s=cutting.min_duration_s,
            )
        except AudioError as error:
            problems.append(problem_of(entry, error))


def problem_of(entry: ManifestEntry, error: AudioError) -> Problem:
    """What the report says about a row whose sound cannot be used."""
    return Problem(entry.split, entry.row, entry.key, entry.source, error.kind, str(error))


def bad_clips(problems: Sequence[Problem]) -> BuildError:
    """The error that names the first of the rows that cannot be used."""
    named = "\n".join(f"  row {problem.row}: {problem.reason}" for problem in problems[:_MAX_PROBLEMS_NAMED])
    more = len(problems) - _MAX_PROBLEMS_NAMED
    return BuildError(
        f"nothing was built: at least {len(problems)} clip(s) cannot be used:\n{named}\n"
        + (f"  and {more} more\n" if more > 0 else "")
        + "Correct the manifest or the files, or leave such clips out (--skip-bad)"
    )


def _pool(num_workers: int) -> Executor:
    # Forking this process could hang, when it has started threads: workers start from a fresh one.
    context: BaseContext = multiprocessing.get_context("spawn")
    if "forkserver" in multiprocessing.get_all_start_methods():
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])  # torch is imported once, not by each worker
    return ProcessPoolExecutor(num_workers, mp_context=context, initializer=_start_worker)


def _start_worker() -> None:
    torch.set_num_threads(1)


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
