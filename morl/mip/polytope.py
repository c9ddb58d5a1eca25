"""How large a linear function of the action can become: closed forms from a few valid inequalities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_PROBES = 4
_NOTICED = 1e-6  # relative; of prices
_ROOM = 1e-9  # relative; what rounding may cost a bound


def box(coefficients: Array) -> Array:
    """Largest value of each row of ``coefficients`` ``(U, N)`` over all of ``[0, 1]^N``, ``(U,)``."""
    return np.asarray(np.maximum(coefficients, 0.0).sum(-1))


class ActionPolytope:
    """Upper bounds of linear functions over a set of actions.

    Inequalities ``w @ a <= r`` with ``w >= 0`` are collected once: the number of ones, rows of the constraint that involve
    nothing but the action, and the dual prices of a few linear programs over the constraint's rows, which find such things as
    the total capacity of all workers. Their right-hand sides are exact maxima, so each is valid whatever the prices. The
    largest value of a linear function under one of them is a fractional knapsack: solved by sorting, for all units of a layer
    at once.
    """

    def __init__(self, constraint: Any) -> None:
        """Look at a constraint.

        Args:
            constraint: See ``envs.cormab.constraints.Constraint``; its ``rows``, ``contains`` and ``num_actions`` are used.
        """
        rows = constraint.rows()
        size = int(constraint.num_actions)
        self.num_actions = size
        ones = np.ones(size)

        def inside(action: Flags) -> bool:
            return bool(constraint.contains(action[None])[0])

        most = rows.solve(ones, accepts=inside)
        self.is_empty = most is None
        """Whether no action is feasible."""
        if most is None:
            return
        least = rows.solve(-ones, accepts=inside)
        assert least is not None
        self.example, self.other = most, least
        """Feasible actions with the most and the fewest ones, ``(N,)`` each."""
        self.most, self.least = int(most.sum()), int(least.sum())
        weights, limits = _action_rows(rows)
        prices = [w for w in _prices(rows) if w.any() and np.ptp(w) > 1e-9 * w.max()]
        for w in _different(prices):
            best = rows.solve(w)
            assert best is not None
            weights.append(w)
            limits.append(float(w @ best))
        self._inequalities = Inequalities(self.least, self.most, tuple(weights), tuple(limits))

    def support(self, coefficients: Array) -> Array:
        """Upper bound of ``coefficients @ a`` over the set, for each row of ``coefficients`` ``(U, N)``: ``(U,)``."""
        return self._inequalities.support(coefficients)

    def face(self, free: Flags, ones: Flags) -> Inequalities | None:
        """What is left for some components when the others are fixed.

        Args:
            free: Components that may still be zero or one, ``(N,)``.
            ones: Components that are fixed to one, ``(N,)``; all others are fixed to zero.

        Returns:
            Inequalities of the free components; None if no action can be so.
        """
        whole, taken = self._inequalities, int(ones.sum())
        limits = tuple(limit - float(w[ones].sum()) for w, limit in zip(whole.weights, whole.limits, strict=True))
        slack = [_ROOM * (1.0 + abs(limit)) for limit in whole.limits]
        if taken > self.most or int(free.sum()) + taken < self.least or any(a < -b for a, b in zip(limits, slack, strict=True)):
            return None
        weights = tuple(w[free] for w in whole.weights)
        limits = tuple(max(limit, 0.0) + room for limit, room in zip(limits, slack, strict=True))
        return Inequalities(max(self.least - taken, 0), min(self.most - taken, int(free.sum())), weights, limits)


@dataclass(frozen=True, eq=False)
class Inequalities:
    """Valid inequalities of some binary components, under each of which linear functions have their maximum in closed form."""

    least: int
    """Fewest ones."""
    most: int
    """Most ones."""
    weights: tuple[Array, ...]
    """Nonnegative, ``(n,)`` each."""
    limits: tuple[float, ...]
    """What ``weights @ a`` is at most, nonnegative."""

    def support(self, coefficients: Array) -> Array:
        """Upper bound of ``coefficients @ a``, for each row of ``coefficients`` ``(U, n)``: ``(U,)``."""
        ordered = -np.sort(-coefficients, axis=-1)
        best: Array = ordered[:, : self.least].sum(-1) + np.maximum(ordered[:, self.least : self.most], 0.0).sum(-1)
        for w, limit in zip(self.weights, self.limits, strict=True):
            np.minimum(best, fractional_knapsack(coefficients, w, limit), out=best)
        return np.asarray(best + _ROOM * np.abs(coefficients).sum(-1))


def fractional_knapsack(coefficients: Array, weights: Array, limit: float) -> Array:
    """Largest value of ``coefficients @ a`` for ``a`` in ``[0, 1]^N`` with ``weights @ a <= limit``, weights nonnegative.

    Args:
        coefficients: ``(U, N)``.
        weights: ``(N,)``.
        limit: Nonnegative.

    Returns:
        ``(U,)``.
    """
    gain = np.maximum(coefficients, 0.0)
    free = weights <= 0
    total: Array = gain[:, free].sum(-1)
    w, gain = weights[~free], gain[:, ~free]
    order = np.argsort(-gain / w, axis=-1)
    taken = np.take_along_axis(gain, order, -1)
    used = w[order]
    before = np.cumsum(used, -1) - used
    return np.asarray(total + (taken * np.clip((limit - before) / used, 0.0, 1.0)).sum(-1))


def _action_rows(rows: Any) -> tuple[list[Array], list[float]]:
    """Rows of the constraint that hold only action columns, with nonnegative entries and an upper side."""
    size = rows.num_actions
    usable = np.isfinite(rows.upper) & (rows.upper >= 0)
    for bad in (rows.column >= size, rows.value < 0):
        usable[rows.row[bad]] = False
    weights: list[Array] = []
    limits: list[float] = []
    for row in np.flatnonzero(usable):
        here = rows.row == row
        w = np.zeros(size)
        w[rows.column[here]] = rows.value[here]
        # Rows whose sides cannot bind, and the count of ones, say nothing new.
        if w.sum() > rows.upper[row] and np.ptp(w) > 0:
            weights.append(w)
            limits.append(float(rows.upper[row]))
    return weights, limits


def _prices(rows: Any) -> list[Array]:
    """What each action component costs at the optimum of a few linear programs over the rows, ``(N,)`` each."""
    from scipy.optimize import linprog

    if not rows.auxiliary_lower.size or not rows.lower.size:
        return []
    matrix = rows.matrix()
    equal = rows.lower == rows.upper
    above, below = np.isfinite(rows.upper) & ~equal, np.isfinite(rows.lower) & ~equal
    from scipy.sparse import vstack

    upper_rows = vstack([matrix[above], -matrix[below]])
    bounds = np.concatenate(
        [np.tile([0.0, 1.0], (rows.num_actions, 1)), np.stack([rows.auxiliary_lower, rows.auxiliary_upper], 1)]
    )
    rng = np.random.default_rng(0)  # which functions are tried is part of the method, not of anybody's run
    found: list[Array] = []
    for probe in range(_PROBES):
        gains = np.ones(rows.num_actions) if probe == 0 else rng.uniform(0.2, 1.0, rows.num_actions)
        solved = linprog(
            -np.concatenate([gains, np.zeros(rows.auxiliary_lower.size)]),
            A_ub=upper_rows if upper_rows.shape[0] else None,
            b_ub=np.concatenate([rows.upper[above], -rows.lower[below]]) if upper_rows.shape[0] else None,
            A_eq=matrix[equal] if equal.any() else None,
            b_eq=rows.upper[equal] if equal.any() else None,
            bounds=bounds,
            method="highs",
        )
        if solved.status != 0:
            continue
        price = np.zeros(rows.num_columns)
        if upper_rows.shape[0]:
            price -= upper_rows.T @ solved.ineqlin.marginals
        if equal.any():
            price -= matrix[equal].T @ solved.eqlin.marginals
        price = np.maximum(price[: rows.num_actions], 0.0)
        # What a solver of linear functions would not notice beside the others says nothing.
        found.append(np.where(price > _NOTICED * price.max(), price, 0.0))
    return found


def _different(vectors: list[Array]) -> list[Array]:
    """Vectors of which none is a multiple of another, scaled to a largest entry of one."""
    kept: list[Array] = []
    for vector in vectors:
        unit = vector / vector.max()
        if not any(np.allclose(unit, other, atol=1e-6) for other in kept):
            kept.append(unit)
    return kept
