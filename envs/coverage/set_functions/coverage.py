"""Coverage: the total weight of the cells that somebody has seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from envs.arrays import Integers, is_sparse, read_whole
from envs.coverage.set_functions.set_function import SetFunction, State, every, part
from envs.coverage.set_functions.weights_of import weights_of

_MOST_CELLS = 100_000_000


class Coverage(SetFunction):
    """``F(A)`` = weight of the union of the cells that the elements of ``A`` cover.

    A step costs O(B K), where ``K`` is the largest number of cells that an element covers.
    """

    def __init__(self, cover: Sequence[Sequence[int]] | Integers | Any, weights: npt.ArrayLike | None = None) -> None:
        """Say what is covered by whom.

        Args:
            cover: For each of the ``V`` elements the numbers of the cells it covers; or an array ``(V, K)`` padded with -1; or
                a sparse matrix ``(V, C)``, nonzero where an element covers a cell. Cells named twice count once.
            weights: Of the ``C`` cells, ``(C,)``, nonnegative; None for 1 each, up to the largest cell named.

        Raises:
            ValueError: A cell does not exist or is no whole number, or a weight is negative.
        """
        sets = _cells(cover)
        if weights is None:
            largest = max((cells[-1] for cells in sets if cells), default=0)
            if largest >= _MOST_CELLS:
                raise ValueError(
                    f"cover names the cell {largest}, so that there are at least as many: a set would need "
                    f"{largest / 2**30:.1f} GiB; number the cells that are covered from 0 on, as np.unique(..., "
                    "return_inverse=True) does"
                )
            weights = np.ones(1 + max(0, largest))
        worth = weights_of(weights, "weights")
        number = worth.shape[0]
        for element, cells in enumerate(sets):
            if cells and (cells[0] < 0 or cells[-1] >= number):
                raise ValueError(f"element {element} covers the cells {cells}; the cells are 0 to {number - 1}")
        super().__init__(len(sets), summary_size=number)
        # One more cell, worth nothing, fills up the rows of elements that cover less than others.
        width = max(map(len, sets), default=0)
        padded = [[*cells, *[number] * (width - len(cells))] for cells in sets]
        self.cells = torch.tensor(padded, dtype=torch.int64).reshape(len(sets), -1)
        """What each element covers, ``(V, K)``, padded with ``C``."""
        self.weights = worth
        """Of the cells, ``(C,)``."""
        self._worth = torch.cat([worth, worth.new_zeros(1)])[self.cells]

    def _start(self, batch: int, capacity: int) -> State:
        return {"covered": torch.zeros(batch, self.summary_size + 1, dtype=torch.bool, device=self.device)}

    def _advance(self, state: State, elements: Tensor, rows: Tensor | None) -> Tensor:
        covered = state["covered"]
        places = self.cells[elements] + every(state, rows)[:, None] * covered.shape[1]
        flat = covered.view(-1)
        new = ~flat[places]
        flat[places] = True
        return (self._worth[elements] * new).sum(-1, keepdim=True)

    def gains(self, state: State, rows: Tensor | None = None) -> Tensor:
        """Weight of the cells that each element would add, ``(r, V, 1)``."""
        new = ~part(state["covered"], rows)[:, self.cells]
        return (self._worth * new).sum(-1, keepdim=True)

    def trajectory_gains(self, elements: Tensor) -> Tensor:
        """Gains along trajectories, ``(B, T, 1)``, without a loop: a cell counts when it is seen for the first time."""
        self._check_elements(elements)
        batch, steps = elements.shape
        visits = elements.flatten()
        times = torch.arange(steps, dtype=torch.int32, device=self.device).repeat(batch)
        size = self.summary_size + 1
        rows = torch.arange(batch, device=self.device).repeat_interleave(steps) * size
        # One cell of what each visit sees after the other.
        places = [cells.index_select(0, visits) + rows for cells in self.cells.T]
        first = torch.full((batch * size,), steps, dtype=torch.int32, device=self.device)
        for place in places:
            first.scatter_reduce_(0, place, times, "amin")
        gains = torch.zeros(batch * steps, dtype=torch.float64, device=self.device)
        for place, worth in zip(places, self._worth.T, strict=True):
            gains += torch.where(first.index_select(0, place) == times, worth.index_select(0, visits), 0.0)
        return gains.view(batch, steps, 1)

    def summary(self, state: State, rows: Tensor | None = None) -> Tensor:
        """1 for each cell that is covered, ``(r, C)``."""
        return part(state["covered"], rows)[:, :-1].to(torch.float64)


def _cells(cover: Any) -> list[list[int]]:
    """The different cells that each element covers, in order."""
    if is_sparse(cover):
        matrix = cover.tocsr().copy()
        matrix.eliminate_zeros()
        matrix.sort_indices()
        return [sorted(set(cells.tolist())) for cells in np.split(matrix.indices, matrix.indptr[1:-1])]
    if isinstance(cover, Mapping | str) or not hasattr(cover, "__iter__"):
        raise ValueError(f"cover is a {type(cover).__name__}; expected a list: the cells of element 0, of element 1, and so on")
    found = []
    for element, given in enumerate(cover):
        try:
            cells = list(given)
        except TypeError:
            raise ValueError(f"element {element} covers {given!r}; expected the cells as a list") from None
        numbers = read_whole(f"cover[{element}]", cells, "the numbers of the cells, whole and from 0 on")
        if numbers.ndim != 1:
            raise ValueError(f"element {element} covers {cells}; expected the numbers of the cells")
        found.append(sorted(set(numbers.tolist()) - {-1}))
    return found
