"""One component after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from envs.cormab import Instance
from envs.cormab.constraints import Constraint
from morl.cormab.baselines.base import Actions, Contender, Decision, States


@dataclass(frozen=True)
class Greedy(Contender):
    """Adds the component that raises the expected reward of the step most, per unit of its cost, until nothing is gained.

    The published baselines [Xu2025]_ are built the same way, with faults that make them weaker: gains are measured from doing
    nothing instead of from what has been chosen, a chosen arm can be charged again, and a capacity that is met exactly counts
    as exceeded. Here gains are those of the present choice and feasibility is the constraint's own.
    """

    per_cost: bool = True
    """Divide gains by the components' costs, so that a worker's capacity goes where it earns most."""

    def prepare(self, instance: Instance, *, horizon: int, seed: int) -> Decision:
        costs = instance.action_costs if self.per_cost else None
        return lambda states, *_: add_greedily(instance.expected_reward, instance.constraint, states, costs)


def add_greedily(
    value: Callable[[States, Actions], npt.NDArray[np.float64]],
    constraint: Constraint,
    states: States,
    costs: npt.NDArray[np.float64] | None = None,
) -> Actions:
    """Add components one by one, for all rows at once.

    Each row takes the component with the largest gain among those that can still become part of a feasible action. It stops
    when no gain is left, but not before its action is feasible.

    Args:
        value: Values ``(B,)`` of actions ``(B, N)`` in states ``(B, J)``.
        constraint: What is feasible.
        states: ``(B, J)``.
        costs: What gains are divided by, ``(N,)``; components that cost nothing come first. None for no division.

    Returns:
        Feasible actions, ``(B, N)``.
    """
    size = constraint.num_actions
    actions = np.zeros((len(states), size), np.bool_)
    divisor = np.ones(size) if costs is None else np.maximum(costs, 1e-12)
    going = np.arange(len(states))
    for _ in range(size):
        present = actions[going]
        grown = present[:, None] | np.eye(size, dtype=np.bool_)
        possible = ~present
        row, component = np.nonzero(possible)
        possible[row, component] = constraint.extends(grown[row, component])
        row, component = np.nonzero(possible)
        if not row.size:
            break
        gain = np.full(present.shape, -np.inf)
        now = value(states[going], present)
        gain[row, component] = (value(states[going][row], grown[row, component]) - now[row]) / divisor[component]
        best = gain.argmax(axis=1)
        most = np.take_along_axis(gain, best[:, None], axis=1)[:, 0]
        add = (most > 0.0) | (~constraint.contains(present) & possible.any(axis=1))
        going = going[add]
        if not going.size:
            break
        actions[going, best[add]] = True
    return actions
