"""Crowding: how alone a value is on a front."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt


def crowding_distances(values: npt.ArrayLike, *, ends: Literal["infinite", "twice"] = "infinite") -> npt.NDArray[np.float64]:
    """How far apart the neighbours of each value are, summed over objectives in units of their ranges.

    Args:
        values: ``(p, m)``, none dominating another.
        ends: What the first and the last one in an objective count there: infinity, or their only gap twice.

    Returns:
        ``(p,)``; 0 for all but the first of equal values.

    Source:
        Deb et al. 2002, "A fast and elitist multiobjective genetic algorithm: NSGA-II", section III-B. Deviations: equal values
        count once.

    Example:
        >>> crowding_distances([[0.0, 4.0], [1.0, 3.0], [1.0, 3.0], [2.0, 1.0], [4.0, 0.0]]).tolist()
        [inf, 1.25, 0.0, 1.5, inf]
        >>> crowding_distances([[0.0, 4.0], [1.0, 3.0], [4.0, 0.0]], ends="twice").tolist()
        [1.0, 2.0, 3.0]
    """
    v, first = np.unique(np.asarray(values, dtype=np.float64), axis=0, return_index=True)
    distances = np.zeros(len(v))
    for column in v.T:
        order = np.argsort(column, kind="stable")
        gaps = np.diff(column[order])
        span = gaps.sum()
        if len(gaps) and span > 0:
            around = np.concatenate([gaps[:1], gaps, gaps[-1:]])
            distances[order] += (around[:-1] + around[1:]) / span
        if ends == "infinite":
            distances[order[[0, -1]]] = np.inf
    found = np.zeros(len(np.asarray(values)))
    found[first] = distances
    return found
