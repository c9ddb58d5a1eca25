"""L1 with one budget per state: nature divides it among the actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from robust.tabular.ambiguity.base import Array, IntArray, SRectangular, Support, checked_radius, checked_support, poured
from robust.tabular.ties import first_best


@dataclass(frozen=True)
class SRectangularL1(SRectangular):
    r"""The set :math:`\sum_a \lVert p_a - q_a\rVert_1 \le b` of each state.

    Nature knows the policy but not the action that will be drawn, so mixing actions can protect: the best policy is
    stochastic in general.

    Source:
        Wiesemann, Kuhn, Rustem 2013 (s-rectangular sets); the per-state problem as in Ho, Petrik, Wiesemann 2018: the
        smallest level ``u`` for which pushing every action's value to ``u`` costs no more than the budget. Deviations:
        the linear piece that holds the level is found by bisection over the sorted bends, for all states together.

    Example:
        >>> z, q = np.array([[[0.0, 1.0], [1.0, 0.0]]]), np.full((1, 2, 2), 0.5)
        >>> values, policy, _ = SRectangularL1(0.4).maximin(z, q)
        >>> values.round(9), policy.round(9)
        (array([0.4]), array([[0.5, 0.5]]))
    """

    radius: float
    """Budget ``b`` of each state, ``>= 0``: L1 distances summed over the actions."""
    support: Support = "simplex"
    """`nominal` keeps outcomes impossible that nominally are; `simplex` allows every state, or every listed successor."""

    rectangularity: ClassVar[Literal["s"]] = "s"

    def __post_init__(self) -> None:
        object.__setattr__(self, "radius", checked_radius("SRectangularL1", self.radius))
        checked_support("SRectangularL1", self.support)

    def check(self, transitions: Array) -> None:
        """Accept every nominal distribution."""

    def maximin(self, outcomes: Array, nominal: Array) -> tuple[Array, Array, Array]:
        pieces = _pieces(outcomes, nominal, self.support)
        floor = pieces.lowest.max(axis=-1, keepdims=True)
        # Where the budget can bend, from the floor (below it some action cannot be pushed) to where nothing is pushed.
        levels = np.concatenate([floor, pieces.value, pieces.after.reshape(len(floor), -1)], axis=-1)
        levels = np.sort(np.maximum(levels, floor), axis=-1)
        low, high = np.zeros_like(floor, np.int64), np.full_like(floor, levels.shape[1] - 1, np.int64)
        for _ in range(int(levels.shape[1]).bit_length()):
            middle = (low + high) // 2
            too_dear = self._excess(pieces, np.take_along_axis(levels, middle, axis=-1)) > 0
            low, high = np.where(too_dear, middle, low), np.where(too_dear, high, middle)
        below, above = np.take_along_axis(levels, low, axis=-1), np.take_along_axis(levels, high, axis=-1)
        most, least = pieces.removed_at(below), pieces.removed_at(above)
        # Between neighbouring bends everything is linear in the level. What the floor itself does not cost is not spent.
        dear, cheap = self._excess(pieces, below), self._excess(pieces, above)
        at_floor = dear <= 0
        share = np.where(at_floor, 1.0, -cheap / np.where(dear > cheap, dear - cheap, 1.0))
        level = above + share * (below - above)
        removed = least + share[..., None] * (most - least)
        # Nature is indifferent between actions chosen inversely to how fast their values fall as budget is spent, which is in
        # proportion to the budget they take up between the two bends. At the floor one action cannot be pushed at all.
        spent = (most - least).sum(axis=-1)
        total = spent.sum(axis=-1, keepdims=True)
        single = at_floor | (total <= 0)
        certain = np.eye(outcomes.shape[1])[first_best(np.where(at_floor, pieces.lowest, pieces.value))]
        policy = np.where(single, certain, spent / np.where(single, 1.0, total))
        return level[:, 0], policy, pieces.distributions(removed)

    def _excess(self, pieces: _Pieces, level: Array) -> Array:
        """How much more than the budget it costs to push all actions to a level, both ``(S, 1)``."""
        cost: Array = 2 * pieces.removed_at(level).sum(axis=(-2, -1))[:, None]
        return cost - self.radius

    def response(self, outcomes: Array, nominal: Array, policy: Array) -> Array:
        # The budget goes where it hurts most.
        pieces = _pieces(outcomes, nominal, self.support)
        harm = (policy[..., None] * pieces.drop).reshape(len(outcomes), -1)
        mass = np.where(harm > 0, pieces.mass.reshape(harm.shape), 0.0)
        removed = poured(-harm, mass, self.radius / 2)
        return pieces.distributions(removed.reshape(pieces.mass.shape))


class _Pieces(NamedTuple):
    """Each action's worst value as a function of its budget: convex, piecewise linear; best outcomes are emptied first."""

    order: IntArray
    """Outcomes in descending order of worth, ``(S, A, b)``."""
    worst: IntArray
    """The outcome that receives the mass, ``(S, A, 1)``."""
    nominal: Array
    """Nominal distributions, ``(S, A, b)``."""
    mass: Array
    """Mass that can be taken from each outcome, ``(S, A, b)``, in order."""
    drop: Array
    """How much a unit of it lowers the value, ``(S, A, b)``, in order."""
    before: Array
    """Value before anything is taken from the outcome, ``(S, A, b)``, in order."""
    after: Array
    """Value once everything is taken from it, ``(S, A, b)``, in order."""
    value: Array
    """Nominal value, ``(S, A)``."""
    lowest: Array
    """Value of the worst outcome, ``(S, A)``."""

    def removed_at(self, level: Array) -> Array:
        """Mass to take from each outcome so that no action is worth more than ``level (S, 1)``: ``(S, A, b)``, in order."""
        usable = self.mass > 0
        wanted = (self.before - level[..., None]) / np.where(usable, self.drop, 1.0)
        return np.where(usable, np.clip(wanted, 0.0, self.mass), 0.0)

    def distributions(self, removed: Array) -> Array:
        """Distributions after moving masses ``(S, A, b)``, given in order, to the worst outcomes."""
        taken = np.empty_like(self.nominal)
        np.put_along_axis(taken, self.order, removed, axis=-1)
        result = self.nominal - taken
        total = removed.sum(axis=-1, keepdims=True)
        np.put_along_axis(result, self.worst, np.take_along_axis(result, self.worst, axis=-1) + total, axis=-1)
        return result


def _pieces(outcomes: Array, nominal: Array, support: Support) -> _Pieces:
    """Describe the worst value of every action as a function of its budget."""
    allowed = np.where(nominal > 0, outcomes, np.inf) if support == "nominal" else outcomes
    worst = allowed.argmin(axis=-1)[..., None]
    lowest = np.take_along_axis(outcomes, worst, axis=-1)
    order = np.argsort(-outcomes, axis=-1, kind="stable")
    drop = np.take_along_axis(outcomes, order, axis=-1) - lowest
    mass = np.where(drop > 0, np.take_along_axis(nominal, order, axis=-1), 0.0)
    value = np.einsum("sab,sab->sa", nominal, outcomes)
    after = value[..., None] - np.cumsum(mass * drop, axis=-1)
    return _Pieces(order, worst, nominal, mass, drop, after + mass * drop, after, value, lowest[..., 0])
