"""The work of a build, divided into tar files that any process can write."""

import itertools
import multiprocessing
import os
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from datamodules.audio import AudioError
from datamodules.batches.random_streams import Purpose, permutation
from datamodules.building.build_report import BuildError
from datamodules.building.clip_quality import ClipQuality, clip_quality
from datamodules.building.clips import Cutting, cut_clip
from datamodules.building.records import JobOutcome, Problem, read_outcome, write_outcome
from datamodules.building.working_folder import final_folder, record_path
from datamodules.manifests.manifest import ManifestEntry
from datamodules.processes import context_of_workers
from datamodules.progress import Progress
from datamodules.shards.index import shard_file_name
from datamodules.shards.writer import NewClip, write_shard
from networks.text.wording import counted

_MAX_PROBLEMS_NAMED = 5
_PRELOADED = ("torch", "webdataset")
"""Imported once and shared, rather than by each worker."""
_LOOK_EVERY_S = 1.0
"""How often to check how many clips the worker processes have written."""
_num_written: "Synchronized[int] | None" = None
"""In a worker process: the number of clips that all workers have written."""
_UNIT = "clips"


@dataclass(frozen=True)
class ShardJob:
    """One tar file to be written by one process."""

    split: str
    file: str
    entries: tuple[ManifestEntry, ...]


@dataclass
class _Notes:
    """What is recorded while the clips of a job are written."""

    qualities: list[ClipQuality] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def plan(entries: Sequence[ManifestEntry], clips_per_shard: int, seed: int, *, keep_order: bool) -> list[ShardJob]:
    """Assign clips to tar files: sorted by key, shuffled unless the order is kept, then divided."""
    shards = []
    for split in sorted({entry.split for entry in entries}):
        ordered = sorted((entry for entry in entries if entry.split == split), key=lambda entry: entry.key)
        shuffled = permutation(len(ordered), seed=seed, purpose=Purpose.BUILD_ORDER)
        order = range(len(ordered)) if keep_order else shuffled
        for number, first in enumerate(range(0, len(ordered), clips_per_shard)):
            chosen = tuple(ordered[i] for i in order[first : first + clips_per_shard])
            shards.append(ShardJob(split, shard_file_name(number), chosen))
    return shards


def do_jobs(
    jobs: Sequence[ShardJob],
    working: Path,
    cutting: Cutting,
    num_workers: int | None,
    *,
    skip_bad: bool,
    display: Progress,
) -> list[Problem]:
    """Write the missing tar files, each with its record.

    Args:
        jobs: The jobs to do.
        working: The working folder.
        cutting: How rows become clips.
        num_workers: Number of processes; None is one per core.
        skip_bad: Leave out bad clips.
        display: Shows how many clips are written.

    Returns:
        The rows that were left out, in order.

    Raises:
        BuildError: Clips are bad and `skip_bad` is False, or a process died.
    """
    problems: list[Problem] = []
    # Closed before an error propagates, so that no process writes any more when the folder is deleted.
    with closing(_outcomes(jobs, working, cutting, num_workers, skip_bad=skip_bad, display=display)) as outcomes:
        for outcome in outcomes:
            if outcome.problems and not skip_bad:
                raise bad_clips(outcome.problems)
            problems += outcome.problems
    return sorted(problems, key=lambda problem: problem.row)


def _outcomes(
    jobs: Sequence[ShardJob],
    working: Path,
    cutting: Cutting,
    num_workers: int | None,
    *,
    skip_bad: bool,
    display: Progress,
) -> Generator[JobOutcome, None, None]:
    remaining, num_there = [], 0
    total = sum(len(job.entries) for job in jobs)
    for job in jobs:
        done = read_outcome(
            record_path(working, job.split, job.file), final_folder(working) / job.split / job.file, verify=True
        )
        if done is None:
            remaining.append(job)
        else:
            num_there += len(job.entries)
            display.report("verifying shards that are there", num_there, total, unit=_UNIT)
            yield done
    num_workers = min(_num_cores() if num_workers is None else max(1, num_workers), len(remaining))
    work = partial(_do_job, working=working, cutting=cutting, skip_bad=skip_bad)

    def report(num_written: int) -> None:
        display.report("writing shards", num_there + num_written, total, unit=_UNIT)

    report(0)
    if num_workers <= 1:
        count = itertools.count(1)
        for job in remaining:
            yield work(job, clip_is_done=lambda: report(next(count)))
        return
    with ExitStack() as stack:
        context = context_of_workers([__name__, *_PRELOADED])
        num_written: Synchronized[int] = context.Value("q", 0)
        executor = stack.enter_context(_pool(num_workers, context, num_written))
        # Also reached if the caller stops at an error: jobs that have not started are cancelled.
        stack.callback(executor.shutdown, cancel_futures=True)
        pending: set[Future[JobOutcome]] = {executor.submit(_do_job_in_worker, work, job) for job in remaining}
        while pending:
            finished, pending = wait_for(pending, timeout=_LOOK_EVERY_S, return_when=FIRST_COMPLETED)
            report(num_written.get_obj().value)  # without its lock, which a dead worker may hold
            for future in finished:
                try:
                    yield future.result()
                except BrokenProcessPool as error:
                    raise BuildError(
                        "the build stopped: a worker process died, perhaps for lack of memory; use fewer workers"
                    ) from error


def _do_job(
    job: ShardJob, working: Path, cutting: Cutting, *, skip_bad: bool, clip_is_done: Callable[[], None]
) -> JobOutcome:
    """Write one tar file and its record, in any process; no tar file if none of its clips can be used."""
    folder = final_folder(working) / job.split
    record_file = record_path(working, job.split, job.file)
    for needed in (folder, record_file.parent):
        needed.mkdir(parents=True, exist_ok=True)
    notes = _Notes()
    max_problems = None if skip_bad else _MAX_PROBLEMS_NAMED
    clips = _usable(job.entries, cutting, notes, max_problems=max_problems, clip_is_done=clip_is_done)
    record = write_shard(folder / job.file, clips, sample_rate_hz=cutting.sample_rate_hz)
    is_empty = not record.clips
    if is_empty:
        (folder / job.file).unlink()
    outcome = JobOutcome(
        None if is_empty else record, tuple(notes.qualities), tuple(notes.sources), tuple(notes.problems)
    )
    if skip_bad or not notes.problems:
        write_outcome(record_file, outcome)
    return outcome


def _usable(
    entries: Sequence[ManifestEntry],
    cutting: Cutting,
    notes: _Notes,
    *,
    max_problems: int | None,
    clip_is_done: Callable[[], None],
) -> Iterator[NewClip]:
    for entry in entries:
        if max_problems is not None and len(notes.problems) >= max_problems:
            return
        try:
            clip, source_rate_hz = cut_clip(entry, cutting)
        except AudioError as error:
            notes.problems.append(problem_of(entry, error))
            clip_is_done()
            continue
        notes.qualities.append(clip_quality(clip.waveform, source_rate_hz))
        notes.sources.append(clip.source)
        yield clip
        clip_is_done()


def problem_of(entry: ManifestEntry, error: AudioError) -> Problem:
    """The entry in the report of a row whose sound cannot be used."""
    return Problem(entry.split, entry.row, entry.key, entry.source, error.kind, str(error))


def bad_clips(problems: Sequence[Problem]) -> BuildError:
    """The error that names the first rows that cannot be used."""
    named = "\n".join(f"  row {problem.row}: {problem.reason}." for problem in problems[:_MAX_PROBLEMS_NAMED])
    more = len(problems) - _MAX_PROBLEMS_NAMED
    return BuildError(
        f"nothing was built: at least {counted(len(problems), 'clip')} cannot be used:\n{named}\n"
        + (f"  and {more} more\n" if more > 0 else "")
        + "Mend these files (or the rows of the manifest), or leave such clips out: --skip_bad true"
    )


def _pool(num_workers: int, context: BaseContext, num_written: "Synchronized[int]") -> Executor:
    return ProcessPoolExecutor(num_workers, mp_context=context, initializer=_start_worker, initargs=(num_written,))


def _start_worker(num_written: "Synchronized[int]") -> None:
    import torch

    global _num_written  # noqa: PLW0603 - shared memory can only be passed to a worker when it starts
    _num_written = num_written
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _do_job_in_worker(work: Callable[..., JobOutcome], job: ShardJob) -> JobOutcome:
    return work(job, clip_is_done=_count_in_worker)


def _count_in_worker() -> None:
    assert _num_written is not None
    with _num_written.get_lock():
        _num_written.value += 1


def _end_with_parent() -> None:
    """End this worker when the build is killed; it would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
