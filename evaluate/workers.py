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

    torch's own threads divide every single operation and then wait for each other. For many small operations this
    wastes time, and if other processes need the cores too (data loaders during training), it becomes tens of times
    slower than a single thread. Independent pieces of work, one per thread, do not wait for each other.

    Uses as many threads as torch is set to use, and restores that setting. With one thread, or on a device other than
    the CPU, the work is done in the calling thread.

    Args:
        device: Where the work computes.
    """

    def __init__(self, device: torch.device) -> None:
        self.on_cpu = device.type == "cpu"
        self.num_workers = torch.get_num_threads() if self.on_cpu else 1
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> "Workers":
        if self.num_workers > 1:
            # `set_num_threads` affects the thread that calls it and all threads started later. So start all workers
            # now (the barrier makes sure that each one runs), then restore the number for threads that others start.
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
        """Apply `function` to every item; results are in the order of the items.

        Args:
            function: Function of one item, which must not modify data that other calls use.
            items: Pieces of work.

        Yields:
            One result for each item.
        """
        if self._pool is None:
            yield from map(function, items)
        else:
            yield from self._pool.map(function, items)


def _use_one_core() -> None:
    torch.get_num_threads()  # a thread's first use of torch sets its number, and would override an earlier setting
    torch.set_num_threads(1)
