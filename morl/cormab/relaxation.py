r"""Lagrangian relaxation: an upper bound on what any policy can earn, and the prices behind it.

If actions only had to be feasible on average, arms would be coupled by prices :math:`\lambda_{t,j,l}` of treating arm ``j`` at
level ``l`` in step ``t`` alone, and for any prices no policy earns more than

.. math::
   B(\lambda) = \sum_t \max_{a \in A} \sum_j \lambda_{t, j, l_j(a)} + \sum_j \mathbb E_{s \sim \mu_j} V^\lambda_{j,0}(s) ,

where :math:`V^\lambda` are the values of single arms that pay the prices ([Hawkins2003]_; Adelman and Mersereau 2008, with
a budget as constraint; here :math:`A` may be anything, and its integer points count, not their linear relaxation). The least
such bound is the value of a linear program over state-action frequencies of the arms and over lotteries of feasible actions.
It is solved by column generation: actions come from the exact maximiser of :class:`~morl.cormab.oracle.LevelOracle`.

.. [Hawkins2003] J. T. Hawkins. A Lagrangian decomposition approach to weakly coupled dynamic optimization problems and its
   applications. MIT, 2003.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.cormab import Instance
from envs.highs import quiet_highs, run, trouble
from morl.cormab.arm_values import Array, discounted_values, horizon_action_values
from morl.cormab.oracle import Actions, LevelOracle
from morl.errors import ConfigurationError
from morl.seeding import stream

_FIRST_ACTIONS = 64
_CAUTION = 0.5  # how much of the best prices so far goes into the prices that are tried


@dataclass(frozen=True, kw_only=True, eq=False)
class Relaxation:
    """A solved relaxation."""

    bound: float
    """No policy's expected total reward is higher: over the horizon undiscounted, or discounted without horizon. Holds however
    far the column generation went."""
    attained: float
    """Value of the relaxed problem over the actions found so far: the least possible bound is at least that."""
    prices: Array
    """Of treating each arm at each level in each step, ``(T, J, L)``, 0 at level 0; ``T`` is 1 without horizon."""
    rounds: int
    """Rounds of column generation."""


def relax(
    instance: Instance,
    *,
    horizon: int | None,
    gamma: float = 1.0,
    start: Array | None = None,
    oracle: LevelOracle | None = None,
    tolerance: float = 1e-3,
    max_rounds: int = 100,
) -> Relaxation:
    """Find the prices of the least Lagrangian bound.

    Args:
        instance: The problem.
        horizon: Steps of an episode; None for discounted rewards without end.
        gamma: Discount, below 1 without horizon; 1 with one.
        start: Probabilities of the first states, ``(J, K)``; None for those of the instance.
        oracle: Of the same instance; None makes one.
        tolerance: Stop once the bound is within this part of the least one.
        max_rounds: Most rounds; the bound holds at any time.

    Returns:
        The bound, and its prices.

    Raises:
        ConfigurationError: The discount does not fit the horizon.
    """
    if (horizon is None and not 0.0 <= gamma < 1.0) or (horizon is not None and (gamma != 1.0 or horizon < 1)):
        raise ConfigurationError(
            f"horizon is {horizon} and gamma is {gamma}; expected a horizon with gamma 1, or None with gamma below 1"
        )
    begin = np.asarray(instance.start if start is None else start, np.float64)
    find = LevelOracle(instance) if oracle is None else oracle
    steps = 1 if horizon is None else horizon
    weight = 1.0 if horizon is not None else 1.0 / (1.0 - gamma)
    master = _Master(instance, begin, steps, horizon is None, gamma)
    rng = stream(0, "relaxation")
    first = instance.constraint.sample(rng, _FIRST_ACTIONS)
    master.add(np.concatenate([first, find(np.moveaxis(instance.arm_rewards, 2, 0))]))
    best, best_prices = np.inf, np.zeros((steps, *instance.transitions.shape[:2]))
    rounds = 0
    while rounds < max_rounds:
        rounds += 1
        attained, prices = master.solve()
        tried = prices if np.isinf(best) else _CAUTION * best_prices + (1.0 - _CAUTION) * prices
        added = False
        for candidate in (tried, prices):
            actions = find(candidate)
            bound = weight * find.value(candidate, actions).sum() + _arms(instance, begin, candidate, horizon, gamma)
            if bound < best:
                best, best_prices = bound, candidate
            added |= master.add(actions)
            if added or candidate is prices:
                break
        if best - attained <= tolerance * abs(best) or not added:
            break
    return Relaxation(bound=best, attained=attained, prices=best_prices, rounds=rounds)


def _arms(instance: Instance, start: Array, prices: Array, horizon: int | None, gamma: float) -> float:
    """What all arms earn together when each pays the prices."""
    if horizon is None:
        values = discounted_values(instance.transitions, instance.arm_rewards - prices[0, :, :, None], gamma)
    else:
        values = horizon_action_values(instance.transitions, instance.arm_rewards, prices)[0][0]
    return float((start * values).sum())


class _Master:
    """The linear program over frequencies ``x[t, j, l, s]`` and lotteries ``z[t, action]`` of the actions found so far."""

    def __init__(self, instance: Instance, start: Array, steps: int, endless: bool, gamma: float) -> None:
        import highspy
        from scipy.sparse import coo_array

        self._instance, self._steps = instance, steps
        arms, levels, states = instance.arm_rewards.shape
        x = np.arange(steps * arms * levels * states).reshape(steps, arms, levels, states)
        flow = np.arange(steps * arms * states).reshape(steps, arms, states)
        # One row per step, arm and level above 0: how often the arm is treated so, less how often actions do that.
        self._level = flow.size + np.arange(steps * arms * (levels - 1)).reshape(steps, arms, levels - 1)
        self._lottery = flow.size + self._level.size + np.arange(steps)
        parts: list[list[npt.NDArray[Any]]] = [[], [], []]

        def entries(rows: Any, columns: Any, values: Any) -> None:
            for part, given in zip(parts, np.broadcast_arrays(rows, columns, values), strict=True):
                part.append(given.ravel())

        # What is in a state flows out again: states that are left, less states that are reached.
        entries(flow[:, :, None, :], x, 1.0)
        come, gone = (flow, x) if endless else (flow[1:], x[:-1])
        # Staying leads back to the row of the state itself; entries at one place add up.
        entries(come[:, :, None, None, :], gone[..., None], -gamma * instance.transitions)
        entries(self._level[..., None], x[:, :, 1:], 1.0)
        side = np.zeros(flow.size + self._level.size + steps)
        side[: start.size] = start.ravel()
        side[self._lottery] = 1.0 / (1.0 - gamma) if endless else 1.0
        shape = (side.size, x.size)
        row, column, value = (np.concatenate(part) for part in parts)
        matrix = coo_array((value, (row, column)), shape=shape).tocsc()
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
        program = highspy.HighsLp()
        program.num_col_, program.num_row_ = x.size, side.size
        program.sense_ = highspy.ObjSense.kMaximize
        program.col_cost_ = np.broadcast_to(instance.arm_rewards, x.shape).ravel()
        program.col_lower_, program.col_upper_ = np.zeros(x.size), np.full(x.size, np.inf)
        program.row_lower_ = program.row_upper_ = side
        program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        program.a_matrix_.start_, program.a_matrix_.index_ = matrix.indptr, matrix.indices
        program.a_matrix_.value_ = matrix.data
        self._highs = quiet_highs()
        self._highs.passModel(program)
        self._known: set[bytes] = set()

    def add(self, actions: Actions) -> bool:
        """Let the lotteries of every step also draw these actions; say whether any was new."""
        new = [action for action in np.unique(actions, axis=0) if action.tobytes() not in self._known]
        if not new:
            return False
        self._known.update(action.tobytes() for action in new)
        levels = self._instance.levels(np.array(new))
        action, arm = np.nonzero(levels)
        # Columns step by step, and in each action by action; the lottery's own row comes last.
        hits = self._level[:, arm, levels[action, arm] - 1]
        count = np.bincount(action, minlength=len(new))
        ends = np.cumsum(count)
        index = np.insert(hits, ends, self._lottery[:, None], axis=1)
        value = np.insert(np.full(hits.shape, -1.0), ends, 1.0, axis=1)
        starts = np.concatenate([[0], np.cumsum(np.tile(count + 1, self._steps))])[:-1]
        total = self._steps * len(new)
        nothing = np.zeros(total)
        self._highs.addCols(
            total, nothing, nothing, np.full(total, np.inf), index.size, starts.astype(np.int32),
            index.ravel().astype(np.int32), value.ravel(),
        )  # fmt: skip
        return True

    def solve(self) -> tuple[float, Array]:
        """Value and prices, ``(T, J, L)``."""
        import highspy

        if run(self._highs) != highspy.HighsModelStatus.kOptimal:
            raise RuntimeError(f"the relaxation was not solved: {trouble(self._highs)}")
        dual = np.asarray(self._highs.getSolution().row_dual)
        prices = np.zeros((self._steps, *self._instance.transitions.shape[:2]))
        prices[..., 1:] = dual[self._level]
        return float(self._highs.getInfo().objective_function_value), prices
