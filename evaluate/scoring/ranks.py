"""Long work divided among the processes of a training run, without reaching the time-out of its process group."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import distributed as dist
from torch import nn

T = TypeVar("T")

EVALUATION_TIMEOUT = timedelta(days=1)
"""How long a process waits for the shares of the others: longer than any evaluation, but finite."""


class OtherRankError(RuntimeError):
    """Another process of the run failed in its share; the message contains its traceback."""


@dataclass(frozen=True)
class Ranks:
    """The processes of a distributed run, or a single process.

    Attributes:
        rank: Index of this process.
        num_ranks: Number of processes.
        group: Process group for their exchanges (gloo, long time-out); None for a single process.
    """

    rank: int = 0
    num_ranks: int = 1
    group: Any = None

    @classmethod
    def connect(cls) -> "Ranks":
        """Make a group of this run's processes; all of them must call this at the same point.

        The group is separate from that of training, whose time-out may be shorter than an evaluation.
        """
        if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
            return cls()
        group = dist.new_group(backend="gloo", timeout=EVALUATION_TIMEOUT)
        return cls(rank=dist.get_rank(), num_ranks=dist.get_world_size(), group=group)

    def gather(self, value: T) -> list[T]:
        """Exchange values: every process receives all of them, in order of ranks."""
        if self.group is None:
            return [value]
        values: list[Any] = [None] * self.num_ranks
        dist.all_gather_object(values, value, group=self.group)
        return values

    def together(self, work: Callable[[], T]) -> list[T]:
        """Call `work` on every process; it succeeds on all or raises on all.

        Args:
            work: Share of this process. It must not wait for other processes itself.

        Returns:
            What `work` returned on each process, in order of ranks.

        Raises:
            Exception: What `work` raised on this process.
            OtherRankError: `work` raised on another process.
        """
        value: T | None = None
        failure: Exception | None = None
        try:
            value = work()
        except Exception as error:  # of any kind: raising before the exchange would leave the other processes waiting
            failure = error
        report = "".join(traceback.format_exception(failure)) if failure else None
        # Every process reaches this exchange, also after a failure. Only then do all of them raise.
        outcomes = self.gather((value, report))
        if failure:
            raise failure
        for rank, (_, other_report) in enumerate(outcomes):
            if other_report is not None:
                raise OtherRankError(f"rank {rank} failed:\n{other_report}")
        return [outcome for outcome, _ in outcomes]  # type: ignore[misc]

    @contextmanager
    def first_rank_buffers(self, net: nn.Module) -> Iterator[None]:
        """Replace the buffers on every process by those of rank 0, within a block.

        Under DistributedDataParallel, the running statistics of batch normalisation differ between processes at the
        end of an epoch; checkpoints hold those of rank 0.

        Args:
            net: Network whose saved buffers are replaced; they are restored afterwards, bit for bit.

        Yields:
            Nothing.
        """
        if self.group is None:
            yield
            return
        saved = net.state_dict()
        buffers = {name: buffer for name, buffer in net.named_buffers() if name in saved}
        sent = [{name: buffer.cpu() for name, buffer in buffers.items()} if self.rank == 0 else None]
        dist.broadcast_object_list(sent, src=0, group=self.group)
        own = {name: buffer.clone() for name, buffer in buffers.items()}
        try:
            _copy_into(buffers, sent[0] or {})
            yield
        finally:
            _copy_into(buffers, own)


@torch.no_grad()
def _copy_into(buffers: dict[str, torch.Tensor], values: dict[str, torch.Tensor]) -> None:
    for name, value in values.items():
        buffers[name].copy_(value)
