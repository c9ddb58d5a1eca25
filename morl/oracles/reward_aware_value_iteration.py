r"""Reward-aware value iteration: the policy with the largest expected utility of an episode's return (ESR).

Such a policy has to remember what it has earned so far. The state is joined by the accrued reward
:math:`z_t = \sum_{i<t} \gamma^i r_i` and the step:

.. math:: V_t(s, z) = \max_a \mathbb{E}\,[V_{t+1}(s', z + \gamma^t r)], \qquad V(\text{end}, z) = u(z).

References:
    Peng, N. and Fain, B. (2025). Nonlinear multi-objective reinforcement learning with provable guarantees. AAMAS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from envs.arrays import Flags, Floats, Integers
from envs.tabular.tables import Tables
from morl.errors import ConfigurationError, ShapeError
from morl.oracles.process import Process, Source, checked_discount, checked_horizon, per_objective, read_process

Utility = Callable[[Floats], npt.ArrayLike]
"""From returns ``(n, m)`` to utilities ``(n,)``."""

_PAIRS = 20_000  # pairs of accrued rewards by which a Lipschitz constant is estimated


@dataclass(frozen=True, kw_only=True, eq=False)
class RewardAwarePolicy:
    """What to do, knowing the state, the reward accrued so far and the step."""

    horizon: int
    """Steps that it was made for."""
    gamma: float
    """Discount of the accrued rewards."""
    _cell: Floats
    _nodes: tuple[dict[tuple[int, ...], int], ...]

    def act(self, state: int, accrued: npt.ArrayLike, step: int) -> int:
        """Choose an action.

        Args:
            state: Number of the state in the tables.
            accrued: Discounted rewards of the episode so far, ``(m,)``; where rewards were rounded to a grid, the sum of
                :meth:`rounded` ones.
            step: Steps played so far.

        Raises:
            ConfigurationError: No episode under any policy comes there.
        """
        key = (state, *np.rint(np.asarray(accrued, np.float64) / self._cell).astype(np.int64).tolist())
        if not 0 <= step < self.horizon or key not in self._nodes[step]:
            raise ConfigurationError(
                f"no episode is in state {state} with accrued reward {np.asarray(accrued).tolist()} at step {step}; add up "
                "discounted rewards, rounded as by `rounded`"
            )
        return self._nodes[step][key]

    def rounded(self, accrued: npt.ArrayLike) -> Floats:
        """The accrued reward on the grid, to which the next reward is to be added, ``(m,)``."""
        on_grid: Floats = np.rint(np.asarray(accrued, np.float64) / self._cell) * self._cell
        return on_grid


@dataclass(frozen=True, kw_only=True, eq=False)
class ExpectedUtility:
    """The largest expected utility of an episode's return."""

    value: float
    """Expected utility of the best policy, on the grid."""
    bound: float
    """The true optimum is within this of ``value``, and the policy's true expected utility too."""
    lipschitz: float
    """Constant that the bound rests on; utility units per return unit, in the Euclidean norm."""
    is_estimated: bool
    """Whether it was estimated, and the bound with it; a bound of 0 needs no constant."""
    num_nodes: int
    """States with accrued rewards and steps that were solved."""
    policy: RewardAwarePolicy
    """A policy that earns it."""


def reward_aware_value_iteration(
    source: Source,
    gamma: float,
    utility: Utility,
    *,
    horizon: int | None = None,
    spacing: npt.ArrayLike = 0.0,
    lipschitz: float | None = None,
    limit: int = 2_000_000,
) -> ExpectedUtility:
    r"""Maximise the expected utility of an episode's return over all policies, those that remember included.

    Without a ``spacing`` accrued rewards are what they are, and the answer is exact: that is for rewards on a lattice, such as
    whole numbers without discount, and for short episodes. With one, the accrued reward is rounded to a grid after every step,
    which moves a return by at most half a cell per step, and the utility by that times its Lipschitz constant.

    Args:
        source: See :func:`morl.oracles.read_process`.
        gamma: Discount in ``[0, 1]``.
        utility: Any function of returns, concave or not; takes ``(n, m)`` and gives ``(n,)``.
        horizon: Steps after which an episode is cut; None for the time limit of the environment, or where there is none for
            the longest way through a process without circles.
        spacing: Side of a cell, return units, a number or one per objective; 0 for none.
        lipschitz: How much the utility changes at most per return unit, in the Euclidean norm. None to estimate it as the
            largest slope between 20,000 pairs of returns that occur, which may be too small.
        limit: Largest number of states with accrued rewards in one step.

    Returns:
        The optimum, its bound and a policy.

    Raises:
        ConfigurationError: The process cannot be read, has circles and no horizon, or more than ``limit`` nodes; or a utility
            is not finite.
        ShapeError: The utility gives another shape.

    Source:
        Peng and Fain 2025. Deviations: rewards are rounded to the nearest cell, and only what episodes reach is solved. Cost:
        actions times branches for each state, accrued reward and step.

    Example:
        >>> best = reward_aware_value_iteration("deep-sea-treasure-concave-v0", 1.0, lambda z: -((z - [50, -12]) ** 2).sum(-1))
        >>> round(best.value, 3), best.bound, best.policy.act(0, [0.0, 0.0], 0)
        (-4.0, 0.0, 3)
    """
    process = read_process(source)
    gamma = checked_discount(gamma)
    steps = _horizon(process, horizon)
    given = per_objective("spacing", spacing, process.num_objectives)
    if (given < 0).any():
        raise ConfigurationError(f"spacing is {given.min():g}; expected at least 0, in return units")
    earns = np.abs(process.tables.rewards[process.tables.probabilities > 0]).max(0).astype(np.float64)
    fine = 1e-2 * process.precision * np.where(earns > 0, earns, 1.0)
    cell, is_rounded = np.maximum(given, fine), given > 0
    layers = layers_of(process.tables, gamma, steps, cell, is_rounded, limit)
    nodes: list[dict[tuple[int, ...], int]] = []
    after = np.zeros(0)
    returns = []
    for layer in reversed(layers):
        # Where the episode goes on a child counts with its own value, elsewhere with the utility of what it has earned.
        worth = _checked_utility(utility, layer.ended)
        returns.append(layer.ended)
        child = np.where(layer.child >= 0, np.append(after, 0.0)[layer.child], worth[np.maximum(layer.outcome, 0)])
        action_values = (child * layer.chance).sum(-1)
        best = action_values.argmax(1)
        after = action_values[np.arange(len(best)), best]
        keys = np.c_[layer.state, np.rint(layer.accrued / cell).astype(np.int64)].tolist()
        nodes.append(dict(zip(map(tuple, keys), best.tolist(), strict=True)))
    first = layers[0]
    slope, moved = 0.0, steps / 2.0 * float(np.linalg.norm(np.where(is_rounded, cell, 0.0)))
    if moved > 0:
        slope = _steepest(utility, np.concatenate(returns)) if lipschitz is None else float(lipschitz)
    return ExpectedUtility(
        value=float(process.tables.start_distribution[first.state] @ after),
        bound=slope * moved,
        lipschitz=slope,
        is_estimated=moved > 0 and lipschitz is None,
        num_nodes=sum(len(layer.state) for layer in layers),
        policy=RewardAwarePolicy(horizon=steps, gamma=gamma, _cell=cell, _nodes=tuple(nodes[::-1])),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """All that can be the case after some steps: ``n`` states with accrued rewards."""

    state: Integers
    """``(n,)``."""
    accrued: Floats
    """``(n, m)``."""
    chance: Floats
    """Of the branches, ``(n, A, b)``."""
    child: Integers
    """Place of the branch in the next layer, ``(n, A, b)``; -1 where the episode ends or the branch is impossible."""
    outcome: Integers
    """Place of the branch among the returns of ``ended``, ``(n, A, b)``; -1 where it goes on or is impossible."""
    ended: Floats
    """Returns of episodes that end here, ``(k, m)``."""


def layers_of(tables: Tables, gamma: float, steps: int, cell: Floats, is_rounded: Flags, limit: int) -> list[Layer]:
    """What can be the case after each number of steps.

    Args:
        tables: The process.
        gamma: Discount.
        steps: Steps after which an episode is cut.
        cell: Accrued rewards that fall into one cell are the same, ``(m,)``, return units, positive.
        is_rounded: Objectives whose accrued reward is rounded to the cell, ``(m,)``; others stay what they are.
        limit: Largest number of states with accrued rewards in one step.

    Returns:
        A layer for each step at which some episode goes on.

    Raises:
        ConfigurationError: There are more than ``limit``.
    """
    state = np.unique(tables.starts)
    accrued = np.zeros((len(state), tables.num_objectives))
    layers: list[Layer] = []
    for step in range(steps):
        if not len(state):
            break
        chance, to = tables.probabilities[state], tables.successors[state]
        total = accrued[:, None, None] + gamma**step * tables.rewards[state].astype(np.float64)
        total = np.where(is_rounded, np.rint(total / cell) * cell, total)
        possible = chance > 0
        goes_on = possible & ~tables.terminal[state] & (step + 1 < steps)
        ends = possible & ~goes_on
        keys = np.c_[to[goes_on], np.rint(total[goes_on] / cell).astype(np.int64)]
        unique, where, place = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        if len(unique) > limit:
            raise ConfigurationError(
                f"{len(unique)} states with accrued rewards are possible at step {step + 1}, more than the limit of {limit}: "
                "give a coarser spacing, a shorter horizon or a larger limit"
            )
        child, outcome = np.full(chance.shape, -1), np.full(chance.shape, -1)
        child[goes_on] = place.reshape(-1)
        outcome[ends] = np.arange(np.count_nonzero(ends))
        layers.append(Layer(state=state, accrued=accrued, chance=chance, child=child, outcome=outcome, ended=total[ends]))
        state, accrued = unique[:, 0], total[goes_on][where]
    return layers


def _horizon(process: Process, horizon: int | None) -> int:
    """How many steps an episode has at most."""
    checked_horizon(horizon)
    steps = process.max_episode_steps if horizon is None else horizon
    order = process.backward_order()
    if order is None:
        if steps is None:
            raise ConfigurationError("episodes may go in circles, and there is no time limit: give a horizon, in steps")
        return steps
    # A way through all states is the longest there can be; layers end by themselves.
    return process.num_states if steps is None else min(steps, process.num_states)


def _checked_utility(utility: Utility, returns: Floats) -> Floats:
    """Utilities ``(k,)`` of returns; one more 0 where there are none."""
    if not len(returns):
        return np.zeros(1)
    found = np.asarray(utility(returns), np.float64)
    if found.shape != returns.shape[:1]:
        raise ShapeError(f"the utility of returns {returns.shape} has shape {found.shape}; expected ({len(returns)},)")
    if not np.isfinite(found).all():
        place = returns[np.flatnonzero(~np.isfinite(found))[0]].tolist()
        raise ConfigurationError(f"the utility of the return {place} is not finite; expected a finite number for every return")
    return found


def _steepest(utility: Utility, returns: Floats) -> float:
    """The largest slope between pairs of returns."""
    rng = np.random.default_rng(0)
    returns = np.unique(returns, axis=0)
    utilities = _checked_utility(utility, returns)
    first, second = rng.integers(len(returns), size=(2, _PAIRS))
    distance = np.linalg.norm(returns[first] - returns[second], axis=1)
    apart = distance > 0
    slopes: Floats = np.abs(utilities[first] - utilities[second])[apart] / distance[apart]
    return float(slopes.max(initial=0.0))
