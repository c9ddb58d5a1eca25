"""Pareto dominance and what a preference can reach, for maximisation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.arrays import read_array
from morl.errors import ConfigurationError, ShapeError

_MOST_COLUMNS = 255  # of moocore
_STRICT = 1e-9
"""A point must win by more than this, in units of each objective's range, to count as supported."""
_FEW = 4  # points below which a hull is no faster than programs
_MOST_HULL_COLUMNS = 6
_TRIES = 40
_FIRST_STEP = 4.0
"""Of the search for weights under which a point leads: enough for all but the points that hardly lead, or do not."""


def checked_values(values: Any, name: str = "values") -> npt.NDArray[np.float64]:
    """Return vector values as a float64 array after checking them.

    Args:
        values: Array, tensor or nested list ``(p, m)``; ``p`` may be zero.
        name: What to call it in an error.

    Returns:
        ``(p, m)``.

    Raises:
        ShapeError: It has not two axes, or no objectives.
        ConfigurationError: It holds NaN or infinity.
    """
    try:
        array = read_array(name, values, "(p, m)").astype(np.float64, copy=False)
    except ValueError as error:
        raise ShapeError(str(error)) from None
    if array.ndim != 2 or array.shape[1] == 0:
        raise ShapeError(f"{name} has shape {array.shape}; expected (p, m): one row per point, one column per objective")
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise ConfigurationError(
            f"{name} holds NaN or infinity (row {row}: {array[row].tolist()}); drop such points before comparing"
        )
    return array


def dominates(first: Any, second: Any) -> Any:
    """Say whether a value is at least as good everywhere and better somewhere.

    Args:
        first: Array or tensor ``(..., m)``; larger is better.
        second: The same kind, ``(..., m)``; broadcasts against ``first``.

    Returns:
        Booleans ``(...)``, of the same kind.

    Example:
        >>> import numpy as np
        >>> dominates(np.array([2.0, 1.0]), np.array([[1.0, 1.0], [2.0, 1.0], [0.0, 3.0]])).tolist()
        [True, False, False]
    """
    return (first >= second).all(-1) & (first > second).any(-1)


def non_dominated(values: Any) -> npt.NDArray[np.bool_]:
    """Mark the Pareto front of a set; of equal points only the first is kept.

    Args:
        values: ``(p, m)``; larger is better.

    Returns:
        Mask ``(p,)``.

    Raises:
        ShapeError: ``values`` has not two axes.
        ConfigurationError: ``values`` holds NaN or infinity.

    Example:
        >>> non_dominated([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [1.0, 0.0]]).tolist()
        [True, True, False, False]
    """
    values = checked_values(values)
    if not len(values):
        return np.zeros(0, dtype=np.bool_)
    if values.shape[1] > _MOST_COLUMNS:
        # Of equal points the first dominates the others, so to speak.
        older = np.tri(len(values), k=-1, dtype=np.bool_)
        at_least, at_most = (np.ones((len(values),) * 2, np.bool_) for _ in range(2))
        for column in values.T:
            at_least &= column >= column[:, None]
            at_most &= column <= column[:, None]
        return np.asarray(~(at_least & (~at_most | older)).any(axis=1))
    import moocore

    return np.asarray(moocore.is_nondominated(values, maximise=True), dtype=np.bool_)


def convex_non_dominated(values: Any, *, margin: float = _STRICT) -> npt.NDArray[np.bool_]:
    r"""Mark the convex coverage set: the points that are the only best one for some weighted sum.

    For each point :math:`v_i` of the Pareto front a linear program finds the weights under which it leads the others most,
    :math:`\max_{w \in \Delta, t} t` with :math:`\langle w, v_i - v_j \rangle \ge t`; a point that cannot lead is dropped, and
    later points need not beat it. Few, collinear or duplicate points are no special case. Points that lead under one of 256
    weights need no program, and of many others only the corners of the convex hull get one.

    Args:
        values: ``(p, m)``; larger is better.
        margin: A point must lead by more than this, in units of each objective's range.

    Returns:
        Mask ``(p,)``. Points on a segment or face between others are not in it: for every weighted sum another is as good.

    Raises:
        ShapeError: ``values`` has not two axes.
        ConfigurationError: ``values`` holds NaN or infinity.

    Source:
        Roijers et al. 2013, pruning by linear programs (CPrune). Deviations: objectives are divided by their range; points for
        which a short search finds such weights need no program.

    Example:
        >>> convex_non_dominated([[0.0, 4.0], [2.0, 2.0], [4.0, 0.0], [3.0, 3.0], [0.5, 3.5]]).tolist()
        [True, False, True, True, False]
    """
    values = checked_values(values)
    keep = non_dominated(values)
    if keep.sum() <= 1:
        return keep
    span = np.ptp(values[keep], axis=0)
    scaled = values / np.where(span > 0, span, 1.0)
    front = np.flatnonzero(keep)
    sure = np.zeros(len(values), np.bool_)
    sure[front] = _certainly_leads(scaled[front], margin)
    if np.count_nonzero(keep & ~sure) > _FEW and values.shape[1] <= _MOST_HULL_COLUMNS and (span > 0).all():
        corners = np.zeros(len(values), np.bool_)
        corners[front[_corners(scaled[front])]] = True
        keep &= sure | corners
    for i in np.flatnonzero(keep & ~sure):
        others = scaled[keep & (np.arange(len(values)) != i)]
        keep[i] = not len(others) or _lead(scaled[i], others) > margin
    return keep


def _certainly_leads(points: npt.NDArray[np.float64], least: float) -> npt.NDArray[np.bool_]:
    """Which points ``(p, m)`` were seen to lead all others under some weights: each climbs its margin from equal weights."""
    count, m = points.shape
    weights, leads, left = np.full((count, m), 1.0 / m), np.zeros(count, dtype=np.bool_), np.arange(count)
    for attempt in range(_TRIES):
        worth, own = weights @ points.T, (np.arange(len(left)), left)
        mine = worth[own]
        worth[own] = -np.inf
        rival = worth.argmax(axis=1)
        margin = mine - worth[own[0], rival]
        behind = margin <= least
        leads[left[~behind]] = True
        if not behind.any():
            break
        # Multiplicative weights stay on the simplex.
        weights, left, rival = weights[behind], left[behind], rival[behind]
        weights *= np.exp(_FIRST_STEP / np.sqrt(attempt + 1.0) * (points[left] - points[rival]))
        weights /= weights.sum(axis=1, keepdims=True)
    return leads


def _corners(points: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Corners of the hull of a front ``(p, m)``, among which is every point that leads under some weighted sum.

    Beside the points stand one below all of them, and the same with the best of one objective: these lead nowhere, but they
    keep the hull from being flat, and most points on its far side are inside it then.
    """
    from scipy.spatial import ConvexHull

    # Lower than any point by more than rounding: of two equal corners a hull names but one.
    low, high = points.min(0) - 1.0, points.max(0)
    hull = ConvexHull(np.concatenate([points, low[None], low + np.diag(high - low)]))
    return np.asarray(hull.vertices[hull.vertices < len(points)], np.int64)


def _lead(point: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> float:
    """Largest margin by which ``point`` ``(m,)`` beats all ``others`` ``(p, m)`` under one weighted sum."""
    from scipy.optimize import linprog

    m = len(point)
    result = linprog(
        c=np.r_[np.zeros(m), -1.0],
        A_ub=np.c_[others - point, np.ones(len(others))],
        b_ub=np.zeros(len(others)),
        A_eq=np.r_[np.ones(m), 0.0][None],
        b_eq=[1.0],
        bounds=[(0.0, None)] * m + [(None, None)],
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    # The program is always feasible and bounded: any weights with t small enough satisfy it.
    return -float(result.fun)
