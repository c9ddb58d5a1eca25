"""Crowding: the members whose surroundings on the front are emptiest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from morl.fields import CheckedFields, Count
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
        return with_floor(standing.best_first(crowding_distances(standing.values))[: self.k], standing)


def crowding_distances(values: Array) -> Array:
    """Sum over the objectives of the gaps to both neighbours on the front, in units of the objective's range on it.

    Args:
        values: ``(n, m)``, larger is better; all NaN before anything was evaluated.

    Returns:
        ``(n,)``; the first and the last value of an objective count the only gap that they have twice; 0 for dominated values
        and where a single value is all there is, NaN without values.

    Source:
        Deb et al. 2002 (NSGA-II). Deviations: finite at the ends.

    Example:
        >>> crowding_distances(np.array([[0.0, 4.0], [1.0, 3.0], [4.0, 0.0], [0.0, 0.0]])).tolist()
        [1.0, 2.0, 3.0, 0.0]
    """
    if np.isnan(values).any():
        return np.full(len(values), np.nan)
    distances = np.zeros(len(values))
    front = np.flatnonzero(non_dominated(values))
    for column in values[front].T:
        order = np.argsort(column, kind="stable")
        gaps = np.diff(column[order])
        if len(gaps) and (span := gaps.sum()) > 0:
            ends = np.concatenate([gaps[:1], gaps, gaps[-1:]])
            distances[front[order]] += (ends[:-1] + ends[1:]) / span
    return distances
