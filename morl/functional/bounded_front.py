"""Pareto fronts of bounded size, and what is lost by the bound."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from morl.functional.dominance import non_dominated

Array = npt.NDArray[np.float64]


def bounded_front(values: Array, *, unit: Array, resolution: float, most: int) -> tuple[npt.NDArray[np.int64], Array]:
    r"""Choose at most ``most`` vectors of a Pareto front such that no vector left out is missed by much.

    A kept vector :math:`k` misses a vector :math:`v` by :math:`\max_j (v_j - k_j) / \text{unit}_j`. The front stays as it is
    if it is small enough and all its vectors miss each other by more than ``resolution``. Else vectors are kept one after the
    other: the best sum first, then always the one that those kept so far miss most, until they miss none by more than
    ``resolution`` or ``most`` are kept.

    Args:
        values: ``(p, m)``; larger is better.
        unit: Of each objective, positive, ``(m,)``.
        resolution: Difference that does not count, in units.
        most: Vectors that may be kept, at least 1.

    Returns:
        Indices of the kept ones in increasing order, ``(q,)``; and the largest amounts ``(m,)``, in the objectives' own
        units, by which vectors left out are better than the kept one that is closest to them.

    Source:
        Additive epsilon-approximations (Zitzler et al. 2003; Laumanns et al. 2002). The choice is that of Gonzalez 1985 for
        k-centres, with a distance that only counts what is missed.

    Example:
        >>> import numpy as np
        >>> points = np.array([[0.0, 3.0], [1.0, 2.0], [1.1, 1.9], [3.0, 0.0], [0.0, 0.0]])
        >>> index, lost = bounded_front(points, unit=np.ones(2), resolution=0.2, most=9)
        >>> index.tolist(), lost.round(3).tolist()
        ([0, 2, 3], [0.0, 0.1])
    """
    front = np.flatnonzero(non_dominated(values))
    scaled = values[front] / unit
    nothing = np.zeros(values.shape[1])
    if len(front) <= most and (len(front) < 2 or _closest(scaled) > resolution):
        return front, nothing
    kept = [int(scaled.sum(1).argmax())]
    missed, nearest = _missed(scaled, scaled[kept[0]]), np.zeros(len(front), dtype=np.int64)
    while len(kept) < most and (worst := int(missed.argmax())) not in kept and missed[worst] > resolution:
        now = _missed(scaled, scaled[worst])
        nearest = np.where(now < missed, len(kept), nearest)
        missed = np.minimum(missed, now)
        kept.append(worst)
    chosen = front[kept]
    lost = np.maximum(values[front] - values[chosen[nearest]], 0.0).max(0)
    return np.sort(chosen), lost


def _missed(points: Array, kept: Array) -> Array:
    """By how much a vector ``(m,)`` misses points ``(p, m)``, ``(p,)``."""
    missed: Array = (points - kept).max(1)
    return missed


def _closest(points: Array) -> float:
    """The least by which a vector of a front ``(p >= 2, m)`` misses another one."""
    by = np.full((len(points),) * 2, -np.inf)
    for column in points.T:
        np.maximum(by, column[:, None] - column, out=by)
    np.fill_diagonal(by, np.inf)
    return float(by.min())


def shortfall(kept: Array, values: Array, *, unit: Array) -> tuple[Array, npt.NDArray[np.int64]]:
    """How much a set of vectors misses each of others by.

    Args:
        kept: The set, ``(q >= 1, m)``.
        values: The others, ``(p, m)``.
        unit: Of each objective, positive, ``(m,)``.

    Returns:
        How much the closest kept vector misses each, in units, negative if it is better everywhere, ``(p,)``; and which that
        is, ``(p,)``.
    """
    by = np.full((len(values), len(kept)), -np.inf)
    for others, own in zip((values / unit).T, (kept / unit).T, strict=True):
        np.maximum(by, others[:, None] - own, out=by)
    nearest = by.argmin(1)
    return by[np.arange(len(values)), nearest], nearest
