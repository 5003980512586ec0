"""Threads that each compute on one core."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

import torch

Item = TypeVar("Item")
_Result = TypeVar("_Result")


class Workers:
    """Run independent pieces of work in parallel, each with torch on a single core.

    torch's own threads share out every single operation and wait for each other after it. For many small operations
    that wastes time, and where the cores are also wanted by others (data loaders during training) it becomes tens
    of times slower than one thread. Whole pieces of work, one per thread, do not wait for each other.

    Uses as many threads as torch is set to use, and leaves that setting as it was. With one thread, or on
    another device than the CPU, the work is done in the calling thread.

    Args:
        device: Where the work computes.
    """

    def __init__(self, device: torch.device) -> None:
        self.on_cpu = device.type == "cpu"
        self.num_workers = torch.get_num_threads() if self.on_cpu else 1
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> "Workers":
        if self.num_workers > 1:
            # `set_num_threads` acts on the thread that calls it and on threads that start later: start all workers
            # now, then set the calling thread's number again, for threads that others start.
            self._pool = ThreadPoolExecutor(self.num_workers, "encode", _use_one_core)
            started = threading.Barrier(self.num_workers)
            for future in [self._pool.submit(started.wait) for _ in range(self.num_workers)]:
                future.result()
            torch.set_num_threads(self.num_workers)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def map(self, function: Callable[[Item], _Result], items: Iterable[Item]) -> Iterator[_Result]:
        """Apply `function` to every item; results come in the order of the items.

        Args:
            function: Must not change what other calls use.
            items: Pieces of work.

        Yields:
            One result for each item.
        """
        if self._pool is None:
            yield from map(function, items)
        else:
            yield from self._pool.map(function, items)


def _use_one_core() -> None:
    torch.get_num_threads()  # a thread's first use of torch sets its number, and would undo what comes before
    torch.set_num_threads(1)
