"""Restless bandits, any number of copies stepped by one expression."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from envs.arrays import Flags, Floats, Integers
from envs.cormab.constraints import Constraint
from envs.cormab.instance import Instance
from envs.cormab.pictures import ArmsPicture
from envs.drawing import Canvas
from envs.drawn_env import DrawnEnv
from envs.native_env import shorter
from envs.protocols import Advanced, Rows

Infeasible = Literal["error", "project", "penalise"]
RewardKind = Literal["scalar", "vector"]


class RestlessBandit(DrawnEnv):
    """Copies of one :class:`~envs.cormab.instance.Instance`.

    Observation: the state of each arm, ``MultiDiscrete``. Action: ``MultiBinary``. In a step, every arm moves and then pays by
    its new state. With ``reward="vector"`` there are three objectives: the total pay; equity, which is the mean pay per arm of
    the group that is worst off in this step; and minus the cost of the action.

    The random number that moves an arm depends on the episode's seed, the step and the arm alone, so that methods
    compared on the same seeds meet the same luck; arms move up for small numbers.
    """

    instance: Instance
    """The problem."""
    constraint: Constraint
    """Which actions are feasible."""
    executed_actions: Flags
    """The action that each row executed last, ``(R, N)``: feasible, whatever was asked for."""
    reward_parts: Floats
    """What each arm added to the last total reward of each row, ``(R, J)``; see :class:`envs.protocols.RewardParts`. Penalties
    are shared out equally."""

    render_fps = 5

    def __init__(
        self,
        num_envs: int,
        *,
        instance: Instance,
        horizon: int = 20,
        reward: RewardKind = "scalar",
        expected_rewards: bool = False,
        infeasible: Infeasible | None = None,
        penalty: float = 1.0,
        max_episode_steps: int | None = None,
    ) -> None:
        """Put rows on an instance.

        Args:
            num_envs: Number of rows.
            instance: The problem.
            horizon: Steps of an episode, which is then truncated.
            reward: One objective, or three.
            expected_rewards: Whether a step pays what is expected of it, given states and action, instead of what arms pay in
                the states they happen to reach: the same mean, less variance, as in the published evaluation. Equity is then
                that of the expected pay.
            infeasible: What to do about infeasible actions: refuse them, execute a nearest feasible one, or execute that and
                take ``penalty`` off the total reward. None refuses them here; the gymnasium forms execute a nearest feasible
                one, since other libraries take the action space for all of a ``MultiBinary``.
            penalty: Nonnegative, in units of reward; only used with ``penalise``.
            max_episode_steps: A shorter limit.

        Raises:
            ValueError: An argument is out of range.
        """
        from gymnasium.spaces import Box, MultiBinary, MultiDiscrete

        from envs.cormab.actions import FeasibleActions

        if not isinstance(instance, Instance):
            raise ValueError(f"instance is {instance!r}; expected an envs.cormab.Instance")
        for name, value, choices in (
            ("reward", reward, ("scalar", "vector")),
            ("infeasible", infeasible, (None, "error", "project", "penalise")),
        ):
            if value not in choices:
                raise ValueError(f"{name} is {value!r}; expected one of {', '.join(filter(None, choices))}")
        if horizon < 1:
            raise ValueError(f"horizon is {horizon}; expected at least 1 step")
        if not (np.isfinite(penalty) and penalty >= 0):
            raise ValueError(f"penalty is {penalty}; expected a finite number of at least 0")
        super().__init__(num_envs, num_actions=None, max_episode_steps=shorter(horizon, max_episode_steps))
        start, groups, costs = instance.start, instance.groups, instance.action_costs
        assert start is not None
        assert groups is not None
        assert costs is not None
        self.instance = instance
        self.constraint = instance.constraint
        self.executed_actions = np.zeros((num_envs, instance.num_actions), np.bool_)
        self.reward_parts = np.zeros((num_envs, instance.num_arms))
        self.observation_space = MultiDiscrete(np.full(instance.num_arms, instance.num_states))
        # What is not refused belongs to the space.
        self._refuses = infeasible in (None, "error")
        self.action_space = FeasibleActions(instance.constraint) if self._refuses else MultiBinary(instance.num_actions)
        low, high = _reward_bounds(instance, costs, penalty if infeasible == "penalise" else 0.0)
        self.scalar_reward = reward == "scalar"
        count = 1 if self.scalar_reward else 3
        names, units = ("total", "equity", "cost"), ("reward", "reward per arm of the group worst off", "cost of actions")
        self.objective_names, self.objective_units = ((), ()) if self.scalar_reward else (names, units)
        self.reward_space = Box(low[:count].astype(np.float32), high[:count].astype(np.float32), dtype=np.float32)
        self._infeasible = infeasible
        self._penalty = penalty
        self._expected = expected_rewards
        self._states = np.zeros((num_envs, instance.num_arms), np.int64)
        self._arms = np.arange(instance.num_arms)
        self._every_row = np.arange(num_envs)
        self._costs = costs
        self._levels, self._num_states = instance.transitions.shape[1], instance.num_states
        self._start_thresholds = np.cumsum(start, axis=1)[:, :-1]
        self._picture = ArmsPicture(instance)
        self._prepare_moves()
        _, members = np.unique(groups, return_inverse=True)
        share = np.eye(members.max() + 1)[members]
        self._group_share = share / share.sum(0)

    def _prepare_moves(self) -> None:
        """Successors that have a positive probability, the highest state first, and when each is taken."""
        p = self.instance.transitions[..., ::-1]
        branches = int(np.count_nonzero(p, axis=-1).max())
        order = np.argsort(p <= 0, axis=-1, kind="stable")[..., :branches]
        self._branches = branches
        self._successors = (self._num_states - 1 - order).reshape(-1)
        chance = np.cumsum(np.take_along_axis(p, order, axis=-1), axis=-1).reshape(-1, branches)
        # Rounding must not send anybody to a successor of probability zero.
        chance[:, :-1][chance[:, :-1] >= 1.0 - 1e-12] = 1.0
        self._thresholds = [np.ascontiguousarray(chance[:, branch]) for branch in range(branches - 1)]
        self._pay = self.instance.rewards.reshape(-1)
        self._expected_pay = self.instance.arm_rewards.reshape(-1)

    def nearest_actions(self, actions: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What the gymnasium forms execute for actions that were chosen without knowing the constraint.

        Args:
            actions: Zeros and ones, ``(r, N)``.

        Returns:
            The same with infeasible ones replaced by a nearest feasible one, unless ``infeasible`` says what to do about them.

        Raises:
            ValueError: The shape is wrong, or an entry is neither 0 nor 1.
        """
        if self._infeasible is not None or (feasible := self.constraint.contains(actions)).all():
            return actions
        nearest = actions.copy()
        nearest[~feasible] = self.constraint.project(actions[~feasible])
        return nearest

    def render_text(self, row: int) -> str:
        """Write the state of a row; see :meth:`envs.drawn_env.DrawnEnv.render_frame`."""
        self._check_drawable(row)
        return "\n".join([*self._caption(row), self._picture.write(*self._shown(row))])

    def _draw(self, row: int, canvas: Canvas) -> None:
        self._picture.draw(canvas, *self._shown(row))

    def _shown(self, row: int) -> tuple[Integers, Flags | None, list[float]]:
        """States, the last action of this episode, and what it paid."""
        action = self.executed_actions[row] if self._elapsed[row] else None
        return self._states[row], action, self.reward_parts[row].tolist()

    def _check_actions(self, rows: Rows, actions: npt.NDArray[Any]) -> None:
        """Refuse what is not binary, and what is infeasible if it is to be refused."""
        super()._check_actions(rows, actions)
        feasible = self.constraint.contains(actions)
        if self._refuses and not feasible.all():
            raise ValueError(
                f"the actions of rows {rows[~feasible][:8].tolist()} are infeasible for {type(self.constraint).__name__}; "
                "expected actions that constraint.contains, or make the environment with infeasible='project' or 'penalise'"
            )
        self._feasible = feasible

    def _start(self, rows: Rows) -> npt.NDArray[Any]:
        chance = self._uniforms(rows, self._arms)
        states: Integers = (chance[..., None] >= self._start_thresholds).sum(-1)
        self._states[rows] = states
        return states

    def _advance(self, rows: Rows, actions: npt.NDArray[Any]) -> Advanced:
        executed = actions.astype(np.bool_)
        if not self._feasible.all():
            executed[~self._feasible] = self.constraint.project(executed[~self._feasible])
        self.executed_actions[rows] = executed
        index = self.instance.levels(executed)
        index += self._arms * self._levels
        index *= self._num_states
        index += self._states[rows]
        chance = self._uniforms(rows, self._arms)
        branch = index * self._branches
        for threshold in self._thresholds:
            branch += chance >= threshold.take(index)
        states = self._successors.take(branch)
        self._states[rows] = states
        if self._expected:
            pay = self._expected_pay.take(index)
        else:
            pay = self._pay.take(states + self._arms * self._num_states)
        rewards, penalty = self._rewards(pay, executed)
        parts = pay if penalty is None else pay - penalty[:, None] / len(self._arms)
        if rows.size == self.num_envs and np.array_equal(rows, self._every_row):
            self.reward_parts = parts  # writing a copy would cost a good part of a step
        else:
            self.reward_parts[rows] = parts
        return states, rewards, np.zeros(rows.shape, np.bool_)

    def _rewards(self, pay: Floats, executed: Flags) -> tuple[npt.NDArray[np.float32], Floats | None]:
        """Rewards ``(r, m)``, and the penalties ``(r,)`` that were taken off the total."""
        total = pay.sum(axis=1)
        penalty: Floats | None = None
        if self._infeasible == "penalise":
            penalty = np.where(self._feasible, 0.0, self._penalty)
            total -= penalty
        if self.scalar_reward:
            return np.asarray(total[:, None], np.float32), penalty
        # Sums in a fixed order: a matrix product may round differently for other numbers of rows.
        equity = (pay[:, :, None] * self._group_share).sum(axis=1).min(axis=1)
        cost = (executed * self._costs).sum(axis=1)
        return np.stack([total, equity, -cost], axis=-1).astype(np.float32), penalty


def _reward_bounds(instance: Instance, costs: Floats, penalty: float) -> tuple[Floats, Floats]:
    """Least and largest reward of a step, in all three objectives, with room for rounding."""
    low, high = instance.rewards.min(), instance.rewards.max()
    room = 1e-5 * (1.0 + np.abs(instance.rewards).sum())
    least = np.array([instance.rewards.min(1).sum() - penalty, low, -costs.sum()])
    return least - room, np.array([instance.rewards.max(1).sum(), high, 0.0]) + room
