"""Loaders that follow an order, and can go on in the middle of an epoch."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader

from datamodules.batches.examples import MixtureDataset, collate
from datamodules.batches.order import DataSettingsError, Draw, TrainingOrder, ValidationOrder


class ExampleLoader:
    """Batches of an order, made by worker processes.

    It wraps a torch DataLoader rather than being one: Lightning then leaves the order alone, and does not put a
    sampler of its own into it on several GPUs. Iterating draws from no global random state.

    Args:
        dataset: makes an example of a draw.
        order: the batches of this rank.
        num_workers: worker processes, which live on from epoch to epoch; 0 works in this process.
        pin_memory: put batches into page-locked memory, for faster copies to a GPU.
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
        """The batches of one epoch."""
        yield from self._iterate(epoch=0, first=0)

    @property
    def _iterator(self) -> Any:
        """The DataLoader's iterator, by the name under which Lightning looks for it to stop the workers.

        Workers that are stopped by the garbage collector only, as part of a cycle, are waited for five seconds
        each: their queues may have been closed before they are told.
        """
        return self._loader._iterator

    @_iterator.setter
    def _iterator(self, iterator: Any) -> None:
        self._loader._iterator = iterator

    def _iterate(self, *, epoch: int, first: int) -> Iterator[dict[str, Any]]:
        self._batches.epoch, self._batches.first = epoch, first
        yield from self._loader


class TrainingLoader(ExampleLoader):
    """Batches of training: a new order each epoch, resumed exactly from its state.

    The epoch is asked for when the first batch is, not when the iterator is made: after resuming, Lightning
    makes the iterator before it has set the epoch. The state is the same on all ranks.

    Args:
        dataset: makes an example of a draw.
        order: the batches of this rank.
        current_epoch: tells the epoch.
        num_workers: worker processes.
        pin_memory: put batches into page-locked memory.
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
        """The batches of the current epoch, or those that remain of it after `load_state_dict`."""
        epoch = self._current_epoch()
        first, self._resumed = self._first_batch(epoch), None
        for number, batch in enumerate(self._iterate(epoch=epoch, first=first), start=first + 1):
            self._progress = {"epoch": epoch, "batches": number}
            yield batch

    def state_dict(self) -> dict[str, int]:
        """How many batches of which epoch were handed out, and what the order was made from."""
        return {**self._progress, **self.order.identity()}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Make the next pass go on where a state was taken, if it is a pass through the same epoch.

        Args:
            state: what `state_dict` gave, on whatever rank.
        """
        self._resumed = dict(state)
        self._progress = {name: int(state[name]) for name in self._progress}

    def _first_batch(self, epoch: int) -> int:
        state = self._resumed
        if state is None or state["epoch"] != epoch:
            return 0
        first = state["batches"] % state["num_batches"]  # an epoch that was complete begins anew
        identity = self.order.identity()
        differing = {name: state.get(name) for name, value in identity.items() if state.get(name) != value}
        if first and differing:
            raise DataSettingsError(
                f"cannot go on after batch {first} of epoch {epoch}: the checkpoint was made with {differing}, "
                f"now it is { {name: identity[name] for name in differing} }. Use the same data, seed and "
                "batch_size times number of ranks (where shards are streamed, the same number of ranks and of "
                "workers), or a checkpoint from the end of an epoch"
            )
        return first


class _Batches:
    """The batch sampler that the DataLoader asks anew in each pass."""

    def __init__(self, order: TrainingOrder | ValidationOrder) -> None:
        self._order = order
        self.epoch = 0
        self.first = 0

    def __iter__(self) -> Iterator[list[Draw]]:
        return self._order.batches(self.epoch, first=self.first)

    def __len__(self) -> int:
        return len(self._order) - self.first
