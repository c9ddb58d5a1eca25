"""The n-step windows that are still open: one per environment row, advanced for many rows at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from morl.protocols import Rows, State


class Windows:
    """Open n-step windows of ``R`` environment rows, as packed transitions.

    Each row has ``n_step`` slots: the transition that started ``age`` steps ago waits in slot ``(newest - age) mod
    n_step`` and collects the discounted rewards of later steps, until it is ``n_step`` steps long or the episode ends.

    Args:
        columns: Columns of each field in a packed transition.
        width: Number of columns.
        n_step: Steps of a full window, at least 2.
        gamma: Discount per step.
        num_rows: Number of environment rows ``R``.
        device: Where the transitions live; counters stay on the host.
    """

    def __init__(
        self, columns: Mapping[str, slice], width: int, *, n_step: int, gamma: float, num_rows: int, device: torch.device
    ) -> None:
        self._n_step = n_step
        self._powers = gamma ** np.arange(n_step)
        self._reward, self._discount = columns["reward"], columns["discount"]
        self._device = device
        from_last = np.zeros(width, dtype=np.bool_)
        for name, place in columns.items():
            from_last[place] = name.startswith("next_") or name == "discount"
        self._from_last = self._move(from_last)
        self._slots = torch.zeros(num_rows * n_step, width, device=device)
        self._newest = np.zeros(num_rows, dtype=np.int64)
        self._open = np.zeros(num_rows, dtype=np.int64)
        self._group = np.zeros(num_rows, dtype=np.int64)

    def _move(self, array: npt.NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array).to(self._device)

    def advance(
        self, rows: Rows, groups: npt.NDArray[np.int64], packed: Tensor, ended: npt.NDArray[np.bool_]
    ) -> tuple[Tensor, npt.NDArray[np.int64]]:
        """Add one step to some rows.

        Args:
            rows: Which rows, ``(r,)``, each at most once.
            groups: Member that each row works for, ``(r,)``.
            packed: The step as a packed transition of one step, ``(r, width)``.
            ended: Whether the row's episode ended with this step, ``(r,)``.

        Returns:
            The transitions that are now complete ``(c, width)`` and their members ``(c,)``; in the order of ``rows``,
            older ones of a row first.
        """
        h = self._n_step
        newest = (self._newest[rows] + 1) % h
        ages = (newest[:, None] - np.arange(h)) % h
        growing = (ages > 0) & (ages <= self._open[rows][:, None])
        factors = self._move(np.where(growing, self._powers[ages], 0.0).astype(np.float32))
        slots = self._move((rows[:, None] * h + np.arange(h)).reshape(-1))
        increments = factors[:, :, None] * packed[:, None, self._reward]
        self._slots[:, self._reward].index_add_(0, slots, increments.flatten(0, 1))
        self._slots.index_copy_(0, self._move(rows * h + newest), packed)
        self._newest[rows] = newest
        self._open[rows] += 1
        self._group[rows] = groups
        return self._close(rows, ended)

    def flush(self, rows: Rows) -> tuple[Tensor, npt.NDArray[np.int64]]:
        """Close all windows of rows whose episodes are abandoned; returns what :meth:`advance` does."""
        return self._close(rows, np.ones(len(rows), dtype=np.bool_))

    def _close(self, rows: Rows, everything: npt.NDArray[np.bool_]) -> tuple[Tensor, npt.NDArray[np.int64]]:
        """Take out the full windows of ``rows``, and all of them where ``everything``."""
        h = self._n_step
        ages = np.arange(h - 1, -1, -1)
        count = self._open[rows]
        which, position = np.nonzero((ages < count[:, None]) & (everything[:, None] | (ages == h - 1)))
        self._open[rows] = np.where(everything, 0, np.minimum(count, h - 1))
        row, age = rows[which], ages[position]
        newest = self._newest[row]
        first = self._slots.index_select(0, self._move(row * h + (newest - age) % h))
        last = self._slots.index_select(0, self._move(row * h + newest))
        packed = torch.where(self._from_last, last, first)
        packed[:, self._discount] *= self._move(self._powers[age].astype(np.float32))[:, None]
        return packed, self._group[row]

    def state(self) -> State:
        """Everything needed to go on exactly."""
        counters = torch.from_numpy(np.stack([self._newest, self._open, self._group]))
        return {"slots": self._slots.clone(), "counters": counters}

    def load_state(self, state: State) -> None:
        """Go on from a saved state of the same number of rows."""
        self._slots.copy_(state["slots"])
        self._newest, self._open, self._group = (row.copy() for row in state["counters"].cpu().numpy())
