r"""Occupancy programs: the best expected return of mixtures of policies, for any concave utility of it.

A policy's discounted occupancy :math:`x(s,a) \ge 0` satisfies
:math:`\sum_a x(s,a) - \gamma \sum_{s',a'} p(s|s',a')\, x(s',a') = \mu_0(s)`, and its return is :math:`\sum x(s,a)\, r(s,a)`.
All occupancies are a polytope, so the best scalarised expected return (SER) is a linear program, or a few of them.

References:
    Altman, E. (1999). Constrained Markov Decision Processes. Chapman and Hall.
    Frank, M. and Wolfe, P. (1956). An algorithm for quadratic programming. Naval Research Logistics Quarterly 3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats, Integers
from morl.errors import ConfigurationError, ShapeError
from morl.oracles.process import Process, Source, checked_discount, per_objective, read_process

_LINE_STEPS = 50  # halvings of a line search
_INNER = 200  # steps of weighting the vertices that were found


@dataclass(frozen=True, kw_only=True, eq=False)
class PiecewiseLinear:
    """A concave utility of the expected return: the smallest of some linear functions, ``min_k slopes[k] @ v + offsets[k]``."""

    slopes: Floats
    """``(k, m)``."""
    offsets: Floats
    """``(k,)``, utility units."""

    @classmethod
    def weighted_sum(cls, weights: npt.ArrayLike) -> PiecewiseLinear:
        """One linear function."""
        w = np.atleast_1d(np.asarray(weights, np.float64))
        return cls(slopes=w[None], offsets=np.zeros(1))

    @classmethod
    def minimum(cls, num_objectives: int) -> PiecewiseLinear:
        """The worst objective."""
        return cls(slopes=np.eye(num_objectives), offsets=np.zeros(num_objectives))

    @classmethod
    def chebyshev(cls, weights: npt.ArrayLike, *, ideal_point: npt.ArrayLike, rho: float = 0.0) -> PiecewiseLinear:
        r"""Minus the largest weighted shortfall and ``rho`` times their sum: :class:`morl.scalarizations.AugmentedChebyshev`.

        .. math:: -\max_j w_j (z_j - v_j) - \rho \sum_j w_j (z_j - v_j)
        """
        w = np.atleast_1d(np.asarray(weights, np.float64))
        slopes = np.diag(w) + rho * w
        return cls(slopes=slopes, offsets=-slopes @ per_objective("ideal_point", ideal_point, w.size))

    def __call__(self, values: npt.ArrayLike) -> Floats:
        """Utility of values ``(..., m)``, ``(...)``."""
        utilities: Floats = (np.asarray(values, np.float64) @ self.slopes.T + self.offsets).min(-1)
        return utilities


@dataclass(frozen=True, kw_only=True, eq=False)
class Mixture:
    """A policy that is best for a utility of its expected return; it may draw actions at random."""

    value: Floats
    """Expected discounted return, ``(m,)``."""
    utility: float
    """Utility of ``value``."""
    bound: float
    """No policy or mixture of policies has a larger utility than ``utility + bound``, but for the solver's precision."""
    states: Integers
    """Numbers of the states that the rows below belong to, ``(S,)``."""
    policy: Floats
    """Probabilities of the actions, ``(S, A)``; equal ones where the policy never comes."""
    occupancy: Floats
    """Expected discounted number of visits, ``(S, A)``."""


def best_mixture(source: Source, gamma: float, utility: PiecewiseLinear) -> Mixture:
    """Maximise a concave piecewise-linear utility of the expected return, by one linear program.

    Args:
        source: See :func:`morl.oracles.read_process`.
        gamma: Discount in ``[0, 1]``.
        utility: Such as ``PiecewiseLinear.minimum(2)``.

    Returns:
        The best of all policies, random ones included; a deterministic one may be worse. Its bound is 0.

    Raises:
        ConfigurationError: The process cannot be read, never ends, or a circle pays without discount.
        ShapeError: The utility has other objectives.

    Source:
        Altman 1999, chapter 3. Cost: a program with ``S A`` columns and ``S`` rows.

    Example:
        >>> found = best_mixture(
        ...     "deep-sea-treasure-concave-v0", 1.0, PiecewiseLinear.chebyshev([0.1, 0.9], ideal_point=[124, -1])
        ... )
        >>> found.value.round(2).tolist()
        [54.08, -8.77]
    """
    program = _Program(read_process(source), checked_discount(gamma))
    if utility.slopes.shape[1] != program.process.num_objectives or utility.offsets.shape != utility.slopes.shape[:1]:
        raise ShapeError(
            f"the utility has slopes {utility.slopes.shape} and offsets {utility.offsets.shape}; expected (k, "
            f"{program.process.num_objectives}) and (k,)"
        )
    occupancy = program.solve(utility)
    value = program.value(occupancy)
    return program.mixture(occupancy, utility=float(utility(value)), bound=0.0)


def best_mixture_smooth(
    source: Source,
    gamma: float,
    utility: Callable[[Floats], float],
    gradient: Callable[[Floats], npt.ArrayLike],
    *,
    tolerance: float = 1e-6,
    max_programs: int = 200,
) -> Mixture:
    r"""Maximise a smooth concave utility of the expected return, by linear programs along its gradients.

    Each program gives the policy that is best for :math:`\langle \nabla u(v), \cdot \rangle`; then all policies found so far
    are weighted anew. Since ``u`` is concave, :math:`u(v) + \max_y \langle \nabla u(v), y - v \rangle` bounds what is possible.

    Args:
        source: See :func:`morl.oracles.read_process`.
        gamma: Discount in ``[0, 1]``.
        utility: Of an expected return ``(m,)``; concave. That is not checked, and the bound rests on it.
        gradient: Of the utility there, ``(m,)``.
        tolerance: Gap at which to stop, utility units.
        max_programs: Linear programs after which to stop in any case; the gap that is left is in the result.

    Returns:
        The best mixture found, with its duality gap as ``bound``.

    Raises:
        ConfigurationError: As for :func:`best_mixture`; or the gradient is not finite.
        ShapeError: The gradient has another shape.

    Source:
        Frank and Wolfe 1956, fully corrective: the weights of the vertices are improved by pairwise steps. Cost: some ten
        programs.
    """
    program = _Program(read_process(source), checked_discount(gamma))
    m = program.process.num_objectives

    def slope(at: Floats) -> Floats:
        found = np.asarray(gradient(at), np.float64)
        if found.shape != (m,):
            raise ShapeError(f"the gradient has shape {found.shape}; expected ({m},)")
        if not np.isfinite(found).all():
            raise ConfigurationError(f"the gradient at {at.tolist()} is {found.tolist()}; expected finite numbers")
        return found

    occupancies = [program.solve(PiecewiseLinear.weighted_sum(np.ones(m)))]
    vertices = program.value(occupancies[0])[None]
    weights = np.ones(1)
    for _ in range(max_programs):
        value = weights @ vertices
        direction = slope(value)
        occupancy = program.solve(PiecewiseLinear.weighted_sum(direction))
        vertex = program.value(occupancy)
        gap = float(direction @ (vertex - value))
        if gap <= tolerance:
            break
        occupancies.append(occupancy)
        vertices = np.concatenate([vertices, vertex[None]])
        weights = _weighted(vertices, np.append(weights, 0.0), slope)
    value = weights @ vertices
    mixed = np.tensordot(weights, np.array(occupancies), 1)
    return program.mixture(mixed, utility=float(utility(value)), bound=max(gap, 0.0))


def _weighted(vertices: Floats, weights: Floats, slope: Callable[[Floats], Floats]) -> Floats:
    """Improve the weights of some vertices: move weight from the worst to the best one along the gradient, again and again."""
    for _ in range(_INNER):
        worth = vertices @ slope(weights @ vertices)
        best = int(worth.argmax())
        worst = int(np.where(weights > 0, worth, np.inf).argmin())
        if worth[best] - worth[worst] <= 1e-13 * (1.0 + abs(worth[best])):
            break
        along, low, high = vertices[best] - vertices[worst], 0.0, float(weights[worst])
        value = weights @ vertices
        if slope(value + high * along) @ along >= 0.0:
            low = high
        for _ in range(_LINE_STEPS if low < high else 0):
            middle = (low + high) / 2.0
            low, high = (middle, high) if slope(value + middle * along) @ along > 0.0 else (low, middle)
        weights = weights.copy()
        weights[best] += low
        weights[worst] = max(weights[worst] - low, 0.0)
    return weights


class _Program:
    """The linear constraints of all occupancies."""

    def __init__(self, process: Process, gamma: float) -> None:
        from scipy.sparse import coo_array, csr_array

        process.refuse_endless(gamma)
        self.process = process
        pairs, states = len(process.offsets) - 1, process.num_states
        stays = coo_array((np.ones(pairs), (np.arange(pairs) // process.num_actions, np.arange(pairs))), shape=(states, pairs))
        comes = coo_array((gamma * process.chances, (process.successors, process.pairs())), shape=(states, pairs))
        self._flow = csr_array(stays - comes)
        self._rewards = process.rewards.reshape(pairs, -1)

    def solve(self, utility: PiecewiseLinear) -> Floats:
        """The best occupancy of all pairs, ``(S * A,)``."""
        from scipy.optimize import linprog
        from scipy.sparse import csr_array, hstack

        pairs, lines = len(self._rewards), len(utility.offsets)
        found = linprog(
            c=np.append(np.zeros(pairs), -1.0),
            A_ub=np.c_[-(self._rewards @ utility.slopes.T).T, np.ones(lines)],  # the last column is below each line
            b_ub=utility.offsets,
            A_eq=hstack([self._flow, csr_array((self.process.num_states, 1))]),
            b_eq=self.process.start,
            bounds=[(0.0, None)] * pairs + [(None, None)],
            method="highs",
        )
        if found.status == 3:
            raise ConfigurationError("the utility has no maximum: without discount a circle pays; use gamma below 1")
        if found.x is None:
            raise ConfigurationError(f"the occupancy program was not solved: {found.message}")
        return np.maximum(np.asarray(found.x[:-1], np.float64), 0.0)

    def value(self, occupancy: Floats) -> Floats:
        """Expected return, ``(m,)``."""
        return occupancy @ self._rewards

    def mixture(self, occupancy: Floats, *, utility: float, bound: float) -> Mixture:
        """The policy that visits pairs as often."""
        visits = occupancy.reshape(self.process.num_states, self.process.num_actions)
        total = visits.sum(1, keepdims=True)
        seen = total > 1e-12
        policy = np.where(seen, visits / np.where(seen, total, 1.0), 1.0 / self.process.num_actions)
        return Mixture(
            value=self.value(occupancy),
            utility=utility,
            bound=bound,
            states=self.process.states,
            policy=policy,
            occupancy=visits,
        )
