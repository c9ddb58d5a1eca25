r"""Linear support: which weights may still gain, given the values found so far, and how much.

With the values :math:`V_1, \dots, V_k` every weight vector of the simplex is worth at least the *upper surface*
:math:`V^*(w) = \max_i w^\top V_i`. It is convex and piecewise linear; its vertices are the *corner weights*. What may be gained
over it is largest at one of them, so it is enough to look there.

References:
    D. M. Roijers, S. Whiteson, F. A. Oliehoek, "Computing Convex Coverage Sets for Faster Multi-Objective Coordination",
    JAIR 52 (2015): optimistic linear support.

    L. N. Alegre, A. L. C. Bazzan, D. M. Roijers, A. Nowé, B. C. da Silva, "Sample-Efficient Multi-Objective Learning via
    Generalized Policy Improvement Prioritization", AAMAS (2023): priorities by policy improvement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.tabular.exact import optimal_values
from envs.tabular.tables import Tables
from morl.errors import ConfigurationError, ShapeError
from morl.functional.dominance import checked_values, convex_non_dominated
from morl.weights.request import sorted_rows

Array = npt.NDArray[np.float64]

ROUNDING = 1e-9
"""What is smaller is rounding, in units of each objective's range; two weights that differ by less are the same one."""
_FEASIBLE = 1e-11
_PIVOT = 1e-9
_NUDGE = 1e-10
_MOST_PIVOTS = 1_000
_NEAREST = 32


def corner_weights(values: Any) -> Array:
    r"""Vertices of the upper surface :math:`\max_i w^\top V_i` over the simplex.

    Two objectives: the values sorted along the hull, and where neighbours are worth the same. More: the vertices of
    :math:`\{(w, x) : w \in \Delta,\ w^\top V_i \le x\}` by an intersection of halfspaces, after the values that are
    never the only best were left out. The corners of the simplex are always among them.

    Args:
        values: Vector values ``(p, m)``, ``m >= 2``; larger is better. Nothing is rounded; dominated, duplicate and
            collinear values are no special case.

    Returns:
        ``(c, m)``, rows on the simplex, in lexicographic order.

    Raises:
        ShapeError: ``values`` has not two axes, or fewer than two columns.
        ConfigurationError: It holds NaN or infinity, or no row.

    Source:
        Roijers et al. 2015, section 4.1. Deviations: objectives are measured in units of their range while computing.

    Example:
        >>> corner_weights([[1.0, 0.0], [0.0, 1.0], [0.75, 0.75]]).tolist()
        [[0.0, 1.0], [0.25, 0.75], [0.75, 0.25], [1.0, 0.0]]
    """
    values = _checked(values)
    best = values[convex_non_dominated(values)]
    extremes = np.eye(values.shape[1])
    if len(best) == 1:
        return sorted_rows(extremes)
    inner = _corners_of_two(best) if values.shape[1] == 2 else _corners_of_many(best)
    return sorted_rows(_distinct(np.concatenate([extremes, inner])))


def _checked(values: Any) -> Array:
    found = checked_values(values)
    if found.shape[1] < 2:
        raise ShapeError(f"values has shape {found.shape}; one objective has no corner weights, expected (p, m) with m >= 2")
    if not len(found):
        raise ConfigurationError("values is empty: the upper surface of nothing has no corner weights; give at least one value")
    return found


def _units(values: Array) -> tuple[Array, Array]:
    """Values ``(p, m)`` moved and scaled to ``[0, 1]``, and the ranges ``(m,)``; 1 for an objective without any."""
    span = np.ptp(values, axis=0)
    span = np.where(span > 0, span, 1.0)
    return (values - values.min(axis=0)) / span, span


def _on_simplex(weights: Array) -> Array:
    rows: Array = weights / weights.sum(axis=-1, keepdims=True)
    return rows


def _corners_of_two(best: Array) -> Array:
    """Where neighbours on the hull ``(p, 2)`` are worth the same."""
    along = best[np.argsort(best[:, 0])]
    gained, lost = np.diff(along[:, 0]), -np.diff(along[:, 1])
    return _on_simplex(np.stack([lost, gained], axis=1))


def _corners_of_many(best: Array) -> Array:
    """Vertices of the epigraph over the simplex; hull ``(p, m)``."""
    from scipy.spatial import HalfspaceIntersection, QhullError

    scaled, span = _units(best)
    m = best.shape[1]
    # Unknowns are the first m - 1 weights, the last one being what is left, and the height x. Scaled values lie in [0, 1], so a
    # lid at 2 cuts off no vertex.
    surface = np.c_[scaled[:, :-1] - scaled[:, -1:], np.full(len(best), -1.0), scaled[:, -1]]
    nonnegative = np.c_[-np.eye(m - 1), np.zeros((m - 1, 2))]
    rest_and_lid = np.zeros((2, m + 1))
    rest_and_lid[0, :-2], rest_and_lid[0, -1] = 1.0, -1.0
    rest_and_lid[1, -2:] = 1.0, -2.0
    halfspaces = np.concatenate([surface, nonnegative, rest_and_lid])
    inside = np.r_[np.full(m - 1, 1.0 / m), 1.5]
    try:
        found = HalfspaceIntersection(halfspaces, inside).intersections
    except QhullError:
        # Its precision was not enough: joggled, it always comes to an end.
        found = HalfspaceIntersection(halfspaces, inside, qhull_options="QJ").intersections
    found = found[np.isfinite(found).all(axis=1) & (found[:, -1] < 1.5)]
    weights = np.c_[found[:, :-1], 1.0 - found[:, :-1].sum(axis=1)]
    weights = np.where(weights < ROUNDING, 0.0, weights)
    return _on_simplex(_on_simplex(weights) / span)


def _distinct(weights: Array) -> Array:
    """The first of each group of weights that are the same up to rounding."""
    from scipy.spatial import KDTree

    pairs = KDTree(weights).query_pairs(ROUNDING, p=np.inf, output_type="ndarray")
    keep = np.ones(len(weights), dtype=np.bool_)
    keep[pairs.max(axis=1, initial=0)[pairs[:, 0] >= 0]] = False
    return weights[keep]


def nearest_distances(weights: Array, others: Array) -> Array:
    """Largest difference of any component to the nearest of some other weights.

    Args:
        weights: ``(c, m)``.
        others: ``(k, m)``; ``k`` may be zero.

    Returns:
        ``(c,)``; infinite without others.
    """
    from scipy.spatial import KDTree

    if not len(others):
        return np.full(len(weights), np.inf)
    distances: Array = KDTree(others).query(weights, p=np.inf)[0]
    return distances


def optimistic_gains(weights: Array, solved: Array, values: Any) -> Array:
    r"""What weights may still gain if nothing better exists at the solved ones: the priority of optimistic linear support.

    .. math:: \max_v \{ w^\top v : \tilde w^\top v \le V^*(\tilde w) \text{ for every solved } \tilde w \} - V^*(w)

    The linear programs of all weights are solved side by side, by a dual simplex method that starts at the corners of the
    simplex; every intermediate point is an upper bound already.

    Args:
        weights: Where to look, ``(c, m)``, rows on the simplex.
        solved: Weights at which the values are the best there are, ``(k, m)``.
        values: Values found so far, ``(p, m)``.

    Returns:
        ``(c,)``, nonnegative, in units of the weighted return; infinite as long as a corner of the simplex is not solved. What
        is below rounding (``1e-9`` of the objectives' ranges) is zero.

    Source:
        Roijers et al. 2015, algorithm 3 (``maxValueLP``). Deviations: none in what is computed.

    Example:
        >>> optimistic_gains(np.array([[0.5, 0.5]]), np.eye(2), [[1.0, 0.0], [0.0, 1.0]]).tolist()
        [0.5]
    """
    values = _checked(values)
    m = values.shape[1]
    distances = np.abs(solved[None] - np.eye(m)[:, None]).max(-1) if len(solved) else np.full((m, 1), np.inf)
    if distances.min(axis=1).max() > ROUNDING:
        return np.full(len(weights), np.inf)
    scaled, span = _units(values)
    unit, known = _on_simplex(weights * span), _on_simplex(solved * span)
    bounds = _optimistic_values(unit, known, (known @ scaled.T).max(axis=1), distances.argmin(axis=1))
    gains = bounds - (unit @ scaled.T).max(axis=1)
    return np.asarray(np.where(gains > ROUNDING, gains, 0.0) * (weights @ span))


def _optimistic_values(weights: Array, known: Array, height: Array, extremes: npt.NDArray[np.int64]) -> Array:
    """Greatest ``w @ v`` with ``known @ v <= height``, ``(c,)``: one dual simplex method per weight, all in step.

    Args:
        weights: ``(c, m)``.
        known: ``(k, m)``.
        height: ``(k,)``.
        extremes: Which of the known ones are the corners of the simplex, ``(m,)``.
    """
    from scipy.spatial import KDTree

    count, m = weights.shape
    # Weights on a face of the simplex make the programs degenerate. Seen from a little inside, along a direction that favours
    # no face, they are not; a basis that is best there is best on the face as well.
    inner = np.sqrt(np.arange(2.0, m + 2.0))
    target = (1 - _NUDGE) * weights + _NUDGE * inner / inner.sum()
    basis = np.tile(extremes, (count, 1))
    bounds = np.full(count, np.inf)
    # The constraints that bind in the end are mostly those of solved weights close by: these are tried before all of them are.
    nearest = KDTree(known).query(weights, k=range(1, min(_NEAREST, len(known)) + 1))[1]
    columns = np.ascontiguousarray(known.T)
    for close in (True, False):
        left = np.arange(count)
        for _ in range(_MOST_PIVOTS):
            rows, here = known[basis[left]], np.arange(len(left))
            point = np.linalg.solve(rows, height[basis[left], None])[..., 0]
            bounds[left] = (point * weights[left]).sum(axis=1)
            if close:
                some = nearest[left]
                slack = height[some] - np.einsum("ckm,cm->ck", known[some], point)
                entering = some[here, tightest := slack.argmin(axis=1)]
            else:
                slack = height - np.einsum("cm,mk->ck", point, columns)
                entering = tightest = slack.argmin(axis=1)
            violated = slack[here, tightest] < -_FEASIBLE
            left, rows, entering = left[violated], rows[violated].swapaxes(1, 2), entering[violated]
            if not len(left):
                break
            pair = np.stack([target[left], known[entering]], axis=-1)
            price, change = np.moveaxis(np.linalg.solve(rows, pair), -1, 0)
            ratio = np.where(change > _PIVOT, price.clip(0.0) / np.where(change > _PIVOT, change, 1.0), np.inf)
            basis[left, ratio.argmin(axis=1)] = entering
    # Dual feasible all the time: where the pivots ran out, what was reached bounds from above as well.
    return bounds


def improvement_gains(weights: Array, improved: Array, values: Any) -> Array:
    r"""What generalised policy improvement gains over the best value found: the priority of GPI-LS.

    .. math:: w^\top V^{\pi_{\mathrm{GPI}}(w)} - \max_i w^\top V_i

    Args:
        weights: Where to look, ``(c, m)``, rows on the simplex.
        improved: Values of the improved policy at each of them, ``(c, m)``.
        values: Values found so far, ``(p, m)``.

    Returns:
        ``(c,)``, in units of the weighted return; negative where improvement by estimated critics failed.

    Raises:
        ShapeError: ``improved`` has another shape than ``weights``.

    Source:
        Alegre et al. 2023, section 4. Deviations: none.

    Example:
        >>> improvement_gains(np.array([[0.5, 0.5]]), np.array([[0.75, 0.75]]), [[1.0, 0.0], [0.0, 1.0]]).tolist()
        [0.25]
    """
    values = _checked(values)
    if improved.shape != weights.shape:
        raise ShapeError(f"improved has shape {improved.shape} but weights has {weights.shape}; give one value for each weight")
    return np.asarray((weights * improved).sum(axis=1) - (weights @ values.T).max(axis=1))


@dataclass(frozen=True)
class Round:
    """What was known before some weights were solved."""

    calls: int
    """Weights solved so far."""
    num_values: int
    """Values found so far; some may turn out to be never the only best."""
    gap: float
    """The most that any weight might gain, units of the weighted return."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearSupportResult:
    """A convex coverage set with a bound on what it lacks."""

    values: Array
    """Each the only best one for some weights, ``(n, m)``, in lexicographic order."""
    weights: Array
    """Weights for which the solver returned each of them, ``(n, m)``."""
    calls: int
    """Weights solved."""
    gap: float
    """No weight can gain more than this, in units of the weighted return, if the solver is exact."""
    history: tuple[Round, ...]
    """One entry per round, the last one as it ended."""


def optimistic_linear_support(
    solve: Callable[[Array], Array],
    num_objectives: int,
    *,
    epsilon: float = 0.0,
    max_calls: int | None = None,
    batch: int = 1,
) -> LinearSupportResult:
    """Find a convex coverage set with few calls of a solver of weighted sums.

    The corners of the simplex are solved first, then the corner weights of what was found, those first that may gain most,
    until none may gain more than ``epsilon``.

    Args:
        solve: Vector values of optimal policies ``(q, m)`` for weights ``(q, m)``.
        num_objectives: ``m >= 2``.
        epsilon: The gap to be content with, in units of the weighted return, ``>= 0``.
        max_calls: Stop after so many weights; None for no limit.
        batch: Weights solved together, ``>= 1``. One at a time is the published algorithm; more take fewer rounds, but possibly
            more calls.

    Returns:
        The set, and the gap.

    Raises:
        ConfigurationError: An argument is out of range.
        ShapeError: ``solve`` returned something else than one value per weight.

    Source:
        Roijers et al. 2015, algorithm 1. Deviations: what is kept is decided by the hull of all values, never by which one is
        best at the weights visited.

    Example:
        >>> points = np.array([[1.0, 0.0], [0.0, 1.0], [0.7, 0.6]])
        >>> found = optimistic_linear_support(lambda weights: points[(weights @ points.T).argmax(1)], 2)
        >>> len(found.values), found.calls, found.gap
        (3, 5, 0.0)
    """
    if num_objectives < 2 or batch < 1 or not epsilon >= 0 or (max_calls is not None and max_calls < 1):
        raise ConfigurationError(
            "linear support needs num_objectives >= 2, batch >= 1, epsilon >= 0 and max_calls >= 1 or None; "
            f"found {num_objectives}, {batch}, {epsilon} and {max_calls}"
        )
    solved = values = np.zeros((0, num_objectives))
    waiting = np.eye(num_objectives)
    gap, history = np.inf, []
    while len(waiting) and (max_calls is None or len(solved) < max_calls):
        history.append(Round(len(solved), len(values), gap))
        if max_calls is not None:
            waiting = waiting[: max_calls - len(solved)]
        found = np.asarray(solve(waiting), dtype=np.float64)
        if found.shape != waiting.shape:
            raise ShapeError(
                f"solve returned shape {found.shape} for weights of shape {waiting.shape}; expected one value each"
            )
        solved, values = np.concatenate([solved, waiting]), np.concatenate([values, found])
        corners = corner_weights(values)
        corners = corners[nearest_distances(corners, solved) > ROUNDING]
        gains = optimistic_gains(corners, solved, values)
        gap = float(gains.max(initial=0.0))
        first = np.argsort(-gains, kind="stable")[:batch]
        waiting = corners[first[gains[first] > epsilon]]
    history.append(Round(len(solved), len(values), gap))
    kept = np.flatnonzero(convex_non_dominated(values))
    kept = kept[np.lexsort(values[kept].T[::-1])]
    return LinearSupportResult(
        values=values[kept], weights=solved[kept], calls=len(solved), gap=gap, history=tuple(history)
    )  # fmt: skip


def exact_coverage_set(
    tables: Tables, gamma: float, *, epsilon: float = 0.0, max_calls: int | None = None, batch: int = 1024
) -> LinearSupportResult:
    """Convex coverage set of a finite environment, exactly: linear support around value iteration.

    Args:
        tables: The environment; its time limit is not part of them.
        gamma: Discount in ``[0, 1]``; 1 only where optimal policies end their episodes.
        epsilon: See :func:`optimistic_linear_support`.
        max_calls: See :func:`optimistic_linear_support`.
        batch: See :func:`optimistic_linear_support`; value iteration works on all of them at once.

    Returns:
        The set; with ``epsilon`` zero its gap is zero.

    Raises:
        ValueError: See :func:`envs.tabular.exact.optimal_values`.
        RuntimeError: See :func:`envs.tabular.exact.optimal_values`.
        ConfigurationError: An argument is out of range, or the environment has one objective.
    """
    return optimistic_linear_support(
        lambda weights: optimal_values(tables, weights, gamma), tables.num_objectives,
        epsilon=epsilon, max_calls=max_calls, batch=batch,
    )  # fmt: skip
