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


def convex_non_dominated(values: Any) -> npt.NDArray[np.bool_]:
    r"""Mark the convex coverage set: the points that are the only best one for some weighted sum.

    For each point :math:`v_i` of the Pareto front a linear program finds the weights under which it leads the others most,
    :math:`\max_{w \in \Delta, t} t` with :math:`\langle w, v_i - v_j \rangle \ge t`; a point that cannot lead is dropped, and
    later points need not beat it. No convex hull is computed, so few, collinear or duplicate points are no special case.

    Args:
        values: ``(p, m)``; larger is better.

    Returns:
        Mask ``(p,)``. Points on a segment or face between others are not in it: for every weighted sum another is as good.

    Raises:
        ShapeError: ``values`` has not two axes.
        ConfigurationError: ``values`` holds NaN or infinity.

    Source:
        Roijers et al. 2013, pruning by linear programs (CPrune). Deviations: objectives are divided by their range.

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
    for i in np.flatnonzero(keep):
        others = scaled[keep & (np.arange(len(values)) != i)]
        keep[i] = not len(others) or _lead(scaled[i], others) > _STRICT
    return keep


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
