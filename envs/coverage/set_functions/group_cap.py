"""Group-capped counting: items of several kinds, of which only so many of a kind are wanted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from envs.arrays import read_whole
from envs.coverage.set_functions.set_function import SetFunction, State, every, part


class GroupCap(SetFunction):
    """``F(A)`` = sum over groups of min(number of distinct elements of the group in ``A``, cap of the group)."""

    def __init__(self, groups: npt.ArrayLike, caps: npt.ArrayLike) -> None:
        """Sort the elements into groups.

        Args:
            groups: Group of each element, ``(V,)``; -1 for elements without one.
            caps: How many of each group count, ``(G,)``, nonnegative.

        Raises:
            ValueError: A group has no cap, or a cap is negative.
        """
        of = read_whole("groups", groups, "the numbers of groups, -1 for none")
        limit = read_whole("caps", caps, "whole numbers; the size of a group is as good as no cap")
        if of.ndim != 1 or limit.ndim != 1 or not limit.size:
            raise ValueError(f"groups has shape {of.shape} and caps {limit.shape}; expected (V,) and (G,)")
        if limit.min() < 0:
            raise ValueError(f"caps contains {limit.min()}; expected nonnegative numbers")
        if of.size and (of.min() < -1 or of.max() >= limit.size):
            raise ValueError(f"groups reach from {of.min()} to {of.max()}; expected -1 to {limit.size - 1}, one cap for each")
        super().__init__(of.size, summary_size=of.size + limit.size)
        # Elements without a group form one more, of which none counts.
        self.groups = torch.from_numpy(np.where(of < 0, limit.size, of))
        """Of each element, ``(V,)``; ``G`` for none."""
        self.caps = torch.from_numpy(np.append(limit, 0))
        """Of each group, ``(G + 1,)``; the last, 0, is of those without a group."""

    def _start(self, batch: int, capacity: int) -> State:
        return {
            "visited": torch.zeros(batch, self.num_elements, dtype=torch.bool, device=self.device),
            "counts": torch.zeros(batch, self.caps.shape[0], dtype=torch.int64, device=self.device),
        }

    def _advance(self, state: State, elements: Tensor, rows: Tensor | None) -> Tensor:
        rows = every(state, rows)
        group = self.groups[elements]
        new = ~state["visited"][rows, elements]
        count = state["counts"][rows, group]
        state["visited"][rows, elements] = True
        state["counts"][rows, group] = count + new
        return (new & (count < self.caps[group])).to(torch.float64)[:, None]

    def gains(self, state: State, rows: Tensor | None = None) -> Tensor:
        """1 for each element that is new and still wanted, ``(r, V, 1)``."""
        wanted = part(state["counts"], rows) < self.caps
        return (wanted[:, self.groups] & ~part(state["visited"], rows)).to(torch.float64)[..., None]

    def summary(self, state: State, rows: Tensor | None = None) -> Tensor:
        """1 for each visited element, then the part of each cap that is filled, ``(r, V + G)``."""
        filled = (part(state["counts"], rows) / self.caps.clamp(min=1)).clamp(max=1.0)[:, :-1]
        return torch.cat([part(state["visited"], rows).to(torch.float64), filled.to(torch.float64)], 1)
