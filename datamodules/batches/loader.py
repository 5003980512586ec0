"""Loaders that follow an order and can resume in the middle of an epoch."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.data import DataLoader

from datamodules.batches.examples import MixtureDataset, collate
from datamodules.batches.order import HOW_STREAMED, Draw, TrainingOrder, ValidationOrder
from datamodules.batches.settings_error import DataSettingsError


class ExampleLoader:
    """Batches of an order, made by worker processes.

    It wraps a torch DataLoader rather than being one, so that Lightning leaves the order alone and does not replace
    the sampler on several GPUs. Iterating does not touch any global random state.

    Args:
        dataset: Makes the example of a draw.
        order: The batches of this rank.
        num_workers: Worker processes, which are kept from epoch to epoch; 0 loads in this process.
        pin_memory: Put batches into page-locked memory, for faster copies to a GPU.
    """

    def __init__(
        self,
        dataset: MixtureDataset,
        order: TrainingOrder | ValidationOrder,
        *,
        num_workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        self.dataset = dataset
        self.order = order
        self._batches = _Batches(order)
        self._loader = DataLoader(
            dataset,
            batch_sampler=self._batches,
            collate_fn=collate,
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            pin_memory=pin_memory,
            # The DataLoader draws a seed for its workers in every epoch, which nothing here uses.
            generator=torch.Generator(),
        )

    def __len__(self) -> int:
        """Batches per epoch on each rank."""
        return len(self.order)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Iterate over the batches of one epoch."""
        yield from self._iterate(epoch=0, first=0)

    @property
    def _iterator(self) -> Any:
        """The DataLoader's iterator, under the name by which Lightning looks for it to stop the workers.

        If only the garbage collector stops the workers, as part of a cycle, it waits five seconds for each: their
        queues may be closed before they receive the signal to stop.
        """
        return self._loader._iterator

    @_iterator.setter
    def _iterator(self, iterator: Any) -> None:
        self._loader._iterator = iterator

    def _iterate(self, *, epoch: int, first: int) -> Iterator[dict[str, Any]]:
        self._batches.epoch, self._batches.first = epoch, first
        with _interrupts_blocked():
            batches = iter(self._loader)
        yield from batches


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block Ctrl-C in the processes that are started meanwhile: a terminal sends it to them, too.

    They would end, and with them the training, before its process has saved. They end when that process does.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class TrainingLoader(ExampleLoader):
    """Batches of training: a new order each epoch, resumed exactly from its state.

    The epoch is read with the first batch, not when the iterator is made: after resuming, Lightning makes the iterator
    before it sets the epoch. The state is the same on all ranks.

    Args:
        dataset: Makes the example of a draw.
        order: The batches of this rank.
        current_epoch: Returns the epoch.
        num_workers: Worker processes.
        pin_memory: Put batches into page-locked memory.
    """

    order: TrainingOrder

    def __init__(
        self,
        dataset: MixtureDataset,
        order: TrainingOrder,
        *,
        current_epoch: Callable[[], int],
        num_workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        super().__init__(dataset, order, num_workers=num_workers, pin_memory=pin_memory)
        self._current_epoch = current_epoch
        self._progress = {"epoch": 0, "batches": 0}
        self._resumed: dict[str, int] | None = None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Iterate over the batches of the current epoch; after `load_state_dict`, over those that remain."""
        epoch = self._current_epoch()
        first, self._resumed = self._first_batch(epoch), None
        for number, batch in enumerate(self._iterate(epoch=epoch, first=first), start=first + 1):
            self._progress = {"epoch": epoch, "batches": number}
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Number of batches of the epoch that were returned, and what they were made from."""
        return {**self._progress, **self._identity()}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Resume the next pass where a state was taken, if it is a pass through the same epoch.

        Args:
            state: What `state_dict` returned, on any rank.
        """
        self._resumed = dict(state)
        self._progress = {name: int(state[name]) for name in self._progress}

    def _identity(self) -> dict[str, int]:
        return {**self.order.identity(), **self.dataset.augmentation.identity()}

    def _first_batch(self, epoch: int) -> int:
        state = self._resumed
        if state is None or state["epoch"] != epoch:
            return 0
        first = state["batches"] % state["num_batches"]  # a complete epoch starts again
        identity = self._identity()
        # From a folder, a state of streamed clips is as good: how they were read is left out.
        left_out = {*self._progress, *(HOW_STREAMED if identity.keys().isdisjoint(HOW_STREAMED) else ())}
        names = [name for name in dict.fromkeys((*identity, *state)) if name not in left_out]
        differing = [name for name in names if state.get(name) != identity.get(name)]
        if first and differing:
            before, now = ({name: found.get(name) for name in differing} for found in (state, identity))
            raise DataSettingsError(
                f"cannot resume after batch {first} of epoch {epoch}: the checkpoint was made with {before}, "
                f"now it is {now}. Use the same data, sampling, augmentation, seed "
                "and batch_size times number of ranks (for streamed shards, the same numbers of ranks and of "
                "workers), or a checkpoint from the end of an epoch"
            )
        return first


class _Batches:
    """The batch sampler, which the DataLoader iterates over in each pass."""

    def __init__(self, order: TrainingOrder | ValidationOrder) -> None:
        self._order = order
        self.epoch = 0
        self.first = 0

    def __iter__(self) -> Iterator[list[Draw]]:
        return self._order.batches(self.epoch, first=self.first)

    def __len__(self) -> int:
        return len(self._order) - self.first
