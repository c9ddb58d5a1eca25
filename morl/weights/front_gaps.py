r"""Gaps of a front: how wide they are, and which weights look for something inside them.

Between two neighbours of a front there may be a value that nobody has found. The weights to look for it with are those at
which both are worth the same: anything better there is neither of them. For a weighted sum they are the normal of the hull, a
corner weight. For a Chebyshev utility with ideal point :math:`z` they are the transform :math:`w_j \propto 1 / (z_j - v_j)` of
the corner :math:`v = \min(p, q)` below both: whatever exceeds this corner in every objective is worth more than either.

References:
    Y. Qi, X. Ma, F. Liu, L. Jiao, J. Sun, J. Wu, "MOEA/D with Adaptive Weight Adjustment", Evolutionary Computation 22 (2014).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from morl.functional.dominance import convex_non_dominated, non_dominated
from morl.weights.linear_support import ROUNDING, corner_weights

Array = npt.NDArray[np.float64]

MOST_POINTS = 128
"""Of a larger front those are used that lie apart most."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Gaps:
    """Places between values of a front, ``g`` of them; none where there is no front."""

    weights: Array
    """At which both ends are worth the same, ``(g, m)``, rows on the simplex."""
    middles: Array
    """Half-way between the ends, ``(g, m)``, return units."""
    widths: Array
    """Distances of the ends, ``(g,)``, in the units that were given."""


def ranges(front: Array) -> Array:
    """Range of each objective ``(m,)`` on a front ``(p, m)``; 1 where there is none."""
    span = np.ptp(front, axis=0) if len(front) else np.zeros(front.shape[1])
    return np.where(span > 0, span, 1.0)


def vicinity_sparsity(values: Array, others: Array) -> Array:
    """Product of the distances to the ``m`` nearest of some other values: small in a crowd.

    Args:
        values: ``(p, m)``.
        others: ``(k, m)``; where there are fewer than ``m``, all of them count.

    Returns:
        ``(p,)``; 1 without others.

    Source:
        Qi et al. 2014 (vicinity distance, SL). Deviations: none.

    Example:
        >>> vicinity_sparsity(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 2.0], [9.0, 9.0]])).tolist()
        [10.0]
    """
    distances = np.linalg.norm(values[:, None] - others[None], axis=-1)
    sparsity: Array = np.sort(distances, axis=1)[:, : values.shape[1]].prod(axis=1)
    return sparsity


def chebyshev_weights(shortfalls: Array) -> Array:
    r"""Weights of the Chebyshev utility whose level sets have their corner on the line from the ideal point to a value.

    .. math:: w_j = \frac{1 / (z_j - v_j)}{\sum_k 1 / (z_k - v_k)}

    so that every objective is short by the same weighted amount, and no value of the front is worth more than ``v``.

    Args:
        shortfalls: ``z - v``, ``(..., m)``, in the utility's units; objectives that are not short at all get all the weight.

    Returns:
        ``(..., m)``, on the simplex.

    Source:
        Qi et al. 2014 (WS transformation). Deviations: a shortfall counts as at least a billionth of the largest.

    Example:
        >>> chebyshev_weights(np.array([1.0, 3.0])).tolist()
        [0.75, 0.25]
    """
    largest = np.abs(shortfalls).max(axis=-1, keepdims=True)
    inverse = 1.0 / np.maximum(shortfalls, ROUNDING * np.where(largest > 0, largest, 1.0))
    weights: Array = inverse / inverse.sum(axis=-1, keepdims=True)
    return weights


def spread_out(values: Array, most: int = MOST_POINTS) -> npt.NDArray[np.int64]:
    """The values themselves, or so many that lie apart most, each chosen to be farthest from those before.

    Args:
        values: ``(p, m)``, in comparable units.
        most: How many to keep.

    Returns:
        Indices ``(min(p, most),)``, the first of them of the best value of the first objective.
    """
    if len(values) <= most:
        return np.arange(len(values))
    chosen = [int(values[:, 0].argmax())]
    distances = np.full(len(values), np.inf)
    while len(chosen) < most:
        distances = np.minimum(distances, ((values - values[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(distances.argmax()))
    return np.array(chosen, dtype=np.int64)


def linear_gaps(values: Array, *, scale: Array, unit: Array) -> Gaps:
    """Gaps between neighbours on the hull, and the corner weights at which they are worth the same.

    Args:
        values: ``(p >= 1, m)``, return units.
        scale: What the weighted sum measures objectives in, ``(m,)``.
        unit: What distances are measured in, ``(m,)``.
    """
    hull = values[convex_non_dominated(values)]
    scaled = hull / scale
    corners = corner_weights(scaled)
    worth = corners @ scaled.T
    tied = worth >= worth.max(axis=1, keepdims=True) - ROUNDING * (corners @ ranges(scaled))[:, None]
    distances = np.linalg.norm((hull[:, None] - hull[None]) / unit, axis=-1)
    ends = []
    for row in tied:
        those = np.flatnonzero(row)
        ends.append(those[list(np.unravel_index(distances[np.ix_(those, those)].argmax(), (len(those),) * 2))])
    first, second = np.array(ends).T
    real = first != second
    return Gaps(
        weights=corners[real],
        middles=((hull[first] + hull[second]) / 2)[real],
        widths=distances[first, second][real],
    )


def chebyshev_gaps(values: Array, *, ideal_point: Array, scale: Array, unit: Array) -> Gaps:
    """Gaps between values of the Pareto front that have nothing between them, and the weights at which they are worth the same.

    Two values are neighbours if no other one exceeds the minimum of both in every objective; a value is a neighbour of the edge
    of the front, where one objective is as bad as it gets, in the same sense. With two objectives neighbours are the adjacent
    values; with more, at most ``MOST_POINTS`` values that lie apart are looked at.

    Args:
        values: ``(p >= 1, m)``, return units.
        ideal_point: ``(m,)``, return units.
        scale: What the utility measures objectives in, ``(m,)``.
        unit: What distances are measured in, ``(m,)``.
    """
    front = values[non_dominated(values)]
    m = front.shape[1]
    if m == 2:
        ends = front[front[:, 0].argsort()]
        first, second = ends[:-1], ends[1:]
    else:
        front = front[spread_out(front / unit)]
        edges = np.where(np.eye(m, dtype=np.bool_), front.min(axis=0), front[:, None])
        i, j = np.triu_indices(len(front), 1)
        first = np.concatenate([front[i], front.repeat(m, axis=0)])
        second = np.concatenate([front[j], edges.reshape(-1, m)])
        lower = np.minimum(first, second)
        empty = ~np.logical_and.reduce([front[:, k] > lower[:, k, None] for k in range(m)]).any(axis=1)
        first, second = first[empty], second[empty]
    lower = np.minimum(first, second)
    return Gaps(
        weights=chebyshev_weights((ideal_point - lower) / scale),
        middles=(first + second) / 2,
        widths=np.linalg.norm((first - second) / unit, axis=-1),
    )
