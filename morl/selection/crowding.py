"""Crowding: the members whose surroundings on the front are emptiest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from morl.fields import CheckedFields, Count
from morl.functional.crowding import crowding_distances
from morl.functional.dominance import non_dominated
from morl.selection.floor import with_floor
from morl.selection.standing import Standing

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Crowding(CheckedFields):
    """The ``k`` members with the largest crowding distance of their values; who is dominated comes last.

    Source:
        Liu et al. 2025 (C-MORL), which extends policies where the front is thin. Deviations: members of the population, not of
        the archive; the ends of the front count their only gap twice, for an infinite distance would give them every turn; the
        floor (:func:`morl.selection.floor.with_floor`).
    """

    k: Count = 1
    """Members per turn; all of them, if there are fewer."""

    def __call__(self, standing: Standing) -> list[int]:
        """Take the loneliest; see :class:`morl.selection.Selection`."""
        return with_floor(standing.best_first(loneliness(standing.values))[: self.k], standing)


def loneliness(values: Array) -> Array:
    """Crowding distance of the values on the front, ``(n, m) -> (n,)``; 0 for the others, NaN before anything was evaluated."""
    if np.isnan(values).any():
        return np.full(len(values), np.nan)
    distances = np.zeros(len(values))
    front = np.flatnonzero(non_dominated(values))
    distances[front] = crowding_distances(values[front], ends="twice")
    return distances
