"""Inner products of all rows of a stage, from which those of every split are taken."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

PANEL_BYTES = 2**26
"""Largest panel in bytes, but for a single row."""


class _Panel(NamedTuple):
    """Inner products of the rows from `start` on with these rows and all rows before them."""

    start: int
    products: Tensor  # (rows, start + rows)


class InnerProducts:
    """The symmetric matrix `X X'` of R rows X, of which the lower half is held, in panels of rows.

    Args:
        parts: All rows for some of their features at a time: (R, d) each, float64.
        num_rows: Number of rows R.
        device: Where to compute.
        panel_bytes: Largest panel in bytes.
    """

    def __init__(
        self, parts: Iterable[Tensor], num_rows: int, device: torch.device, *, panel_bytes: int = PANEL_BYTES
    ) -> None:
        self._num_rows = num_rows
        self._panels = [
            _Panel(start, torch.zeros(stop - start, stop, dtype=torch.float64, device=device))
            for start, stop in _edges(num_rows, panel_bytes)
        ]
        for part in parts:
            for start, products in self._panels:
                stop = products.shape[1]
                products.addmm_(part[start:stop], part[:stop].T)

    def among(self, places: Tensor) -> Tensor:
        """Copy the inner products (n, n) of the rows at `places` (n,), which are ascending, with each other."""
        found = torch.empty(len(places), len(places), dtype=torch.float64, device=places.device)
        for panel, first, last in self._with_places(places):
            found[first:last, :last] = panel.products[places[first:last, None] - panel.start, places[:last]]
            found[:first, first:last] = found[first:last, :first].T
        return found

    def times(self, places: Tensor, vectors: Tensor) -> Tensor:
        """Compute `X X_p' V` (R, b) of the rows X_p at `places` (n,), which are ascending, and V (n, b)."""
        found = torch.zeros(self._num_rows, vectors.shape[1], dtype=torch.float64, device=vectors.device)
        for panel, first, last in self._with_places(places):
            stop = panel.products.shape[1]
            found[panel.start : stop].addmm_(panel.products.index_select(1, places[:last]), vectors[:last])
            # The upper half: rows before the panel with those in it.
            across = panel.products[places[first:last] - panel.start, : panel.start]
            found[: panel.start].addmm_(across.T, vectors[first:last])
        return found

    def _with_places(self, places: Tensor) -> Iterator[tuple[_Panel, int, int]]:
        """Yield each panel, and how many places are before it and before its end."""
        ends = torch.tensor([panel.products.shape[1] for panel in self._panels], device=places.device)
        first = 0
        for panel, last in zip(self._panels, torch.searchsorted(places, ends).cpu().tolist(), strict=True):
            yield panel, first, last
            first = last


def bytes_of_products(num_rows: int) -> int:
    """Memory of the inner products of `num_rows` rows, in bytes."""
    return 8 * sum((stop - start) * stop for start, stop in _edges(num_rows, PANEL_BYTES))


def _edges(num_rows: int, panel_bytes: int) -> list[tuple[int, int]]:
    """First row of each panel, and the first one after it."""
    step = max(1, panel_bytes // (8 * num_rows))
    return [(start, min(start + step, num_rows)) for start in range(0, num_rows, step)]
