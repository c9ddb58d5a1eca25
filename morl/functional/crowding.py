"""Crowding: how alone a value is on a front."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def crowding_distances(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """How far apart the neighbours of each value are, summed over objectives in units of their ranges.

    Args:
        values: ``(p, m)``, none dominating another.

    Returns:
        ``(p,)``: infinite for who is the first or the last one in some objective; 0 for all but the first of equal values.

    Source:
        Deb et al. 2002, "A fast and elitist multiobjective genetic algorithm: NSGA-II", section III-B. Deviations: equal values
        count once.

    Example:
        >>> crowding_distances([[0.0, 4.0], [1.0, 3.0], [1.0, 3.0], [2.0, 1.0], [4.0, 0.0]]).tolist()
        [inf, 1.25, 0.0, 1.5, inf]
    """
    v, first = np.unique(np.asarray(values, dtype=np.float64), axis=0, return_index=True)
    distances = np.zeros(len(v))
    for column in v.T:
        order = np.argsort(column, kind="stable")
        span = column[order[-1]] - column[order[0]]
        gaps = column[order[2:]] - column[order[:-2]]
        distances[order[1:-1]] += gaps / span if span > 0 else 0.0
        distances[order[[0, -1]]] = np.inf
    found = np.zeros(len(np.asarray(values)))
    found[first] = distances
    return found
