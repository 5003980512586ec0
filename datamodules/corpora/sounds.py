"""Finding and writing sounds, writing manifests, and running many such jobs in several processes."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
import soundfile

from datamodules.building.build_report import BuildError
from datamodules.files import remove_leftovers, replacing, write_bytes
from datamodules.folders import sound_folders
from datamodules.folders.split_names import SplitNameError
from datamodules.processes import context_of_workers
from datamodules.progress import Progress
from networks.commands.arguments import printable

PEAK = 0.99
"""Sounds with larger peaks are scaled to this before they become 16-bit samples; mixing sets their level again."""

CHUNKS_PER_WORKER = 16
"""Each process gets its jobs in this many chunks, so that progress shows and no process is idle for long."""

MOST_JOBS_PER_CHUNK = 64
"""Most jobs in a chunk, for progress of very many."""

PRELOADED = ["datamodules.building.build", "datamodules.corpora.sounds", "datamodules.demo.textures"]
"""Modules that all workers need, including those of the shard builder that runs later in the same process."""

Job = TypeVar("Job")
Row = Mapping[str, object]


class CorpusError(BuildError):
    """A corpus that is not as expected; the message names the file or folder, and what to do."""


def check_part(name: str, part: float) -> None:
    """Raise `CorpusError` if a fraction of the clips is not in 0-1."""
    if not 0 <= part <= 1:
        raise CorpusError(f"{name} is a fraction of the clips, in 0-1, got {part}")


def write_sound(path: Path, waveform: np.ndarray, sample_rate_hz: int) -> None:
    """Write (T,) samples as a 16-bit WAV file, scaled down if the peak exceeds 0.99."""
    peak = float(np.abs(waveform).max(initial=0.0))
    # Through memory, as soundfile waits for the disk after each file that it writes itself.
    memory = io.BytesIO()
    scaled = waveform * min(1.0, PEAK / max(peak, 1e-9))
    soundfile.write(memory, scaled, sample_rate_hz, "PCM_16", format="WAV")
    write_bytes(path, memory.getvalue())


@contextmanager
def corpus_errors() -> Iterator[None]:
    """Raise errors of folders and names of splits as `CorpusError`."""
    try:
        yield
    except (sound_folders.SoundFolderError, SplitNameError) as error:
        raise CorpusError(str(error)) from error


def sounds_of(folder: Path, *, depth: int | None = None) -> list[Path]:
    """Find the sounds of a folder, see `sound_folders.find_sounds`; its errors are `CorpusError`s."""
    with corpus_errors():
        return sound_folders.find_sounds(folder, depth=depth)


@contextmanager
def keeping_others(path: Path) -> Iterator[None]:
    """Say what to do about a file of the user that is in the way of `path`."""
    try:
        yield
    except FileExistsError as error:
        raise CorpusError(
            f"{path}: exists and is not from an earlier call of this command: move it, choose another output, or "
            "replace it with --overwrite true"
        ) from error


def write_manifest(path: Path, rows: Sequence[Row], *, keep_others: bool = False) -> Path:
    """Write the rows of a manifest, see `datamodules.manifests.manifest`, as CSV or Parquet, and return its path.

    Args:
        path: Where to write it.
        rows: The rows.
        keep_others: Do not replace a file with other content.

    Raises:
        CorpusError: A path or label is not UTF-8; names the row. Or a file with other content is to be kept.
    """
    import pandas as pd

    _check_text(path, rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent)
    table = pd.DataFrame([dict(row) for row in rows])
    with keeping_others(path), replacing(path, keep_others=keep_others) as temporary:
        if path.suffix == ".parquet":
            table.to_parquet(temporary, index=False)
        else:
            table.to_csv(temporary, index=False)
    return path


def _check_text(path: Path, rows: Sequence[Row]) -> None:
    for number, row in enumerate(rows, start=1):
        for name, value in row.items():
            if isinstance(value, str) and not value.isascii():
                try:
                    value.encode()
                except UnicodeEncodeError as error:
                    raise CorpusError(
                        f"{path}, row {number}: {name} is not UTF-8: {printable(value)}; rename it"
                    ) from error


def run_jobs(
    work: Callable[[Job], Row],
    jobs: Sequence[Job],
    *,
    num_workers: int,
    description: str,
    verb: str = "synthesising",
    unit: str = "clips",
    show_progress: bool = False,
) -> list[Row]:
    """Run independent jobs, in several processes if wanted, and return their results in order.

    Args:
        work: Function at module level that does one job.
        jobs: Arguments of the function, one per job.
        num_workers: Number of processes; 0 and 1 mean this process alone.
        description: What is made, such as "textures".
        verb: What is done to it.
        unit: What progress counts: one of these is a job.
        show_progress: Whether to show progress on stderr.

    Returns:
        The results in the order of the jobs.
    """
    what, num_done = f"{verb} {description}", 0
    with Progress(what, is_shown=show_progress) as display:

        def report(number: int) -> None:
            nonlocal num_done
            num_done += number
            display.report(what, num_done, len(jobs), unit=unit)

        report(0)
        if num_workers <= 1:
            rows = []
            for job in jobs:
                rows.append(work(job))
                report(1)
            return rows
        return _run_in_processes(work, jobs, num_workers, report)


def _run_in_processes(
    work: Callable[[Job], Row], jobs: Sequence[Job], num_workers: int, report: Callable[[int], None]
) -> list[Row]:
    size = min(MOST_JOBS_PER_CHUNK, max(1, len(jobs) // (num_workers * CHUNKS_PER_WORKER)))
    rows_of: dict[int, list[Row]] = {}
    with ProcessPoolExecutor(num_workers, mp_context=context_of_workers(PRELOADED)) as pool:
        starts = {
            pool.submit(_do_chunk, work, jobs[start : start + size]): start for start in range(0, len(jobs), size)
        }
        try:
            for future in as_completed(starts):
                rows_of[starts[future]] = future.result()
                report(len(rows_of[starts[future]]))
        except BaseException:
            pool.shutdown(cancel_futures=True)  # waits for running jobs: they write into folders that are removed next
            raise
    return [row for start in sorted(rows_of) for row in rows_of[start]]


def _do_chunk(work: Callable[[Job], Row], jobs: Sequence[Job]) -> list[Row]:
    return [work(job) for job in jobs]
