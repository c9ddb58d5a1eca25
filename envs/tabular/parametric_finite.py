"""Finite environments whose branches have probabilities that depend on parameters, one model per row."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from envs.arrays import Flags, Floats, Integers
from envs.drawn_env import DrawnParametricEnv
from envs.parameter_space import ParameterSpace
from envs.probabilities import read_distributions
from envs.protocols import Advanced, Rows
from envs.tabular.pictures import StateEnv, StatePicture

if TYPE_CHECKING:
    import gymnasium


class ParametricFiniteEnv(StateEnv, DrawnParametricEnv):
    """Base of finite environments with settable dynamics.

    Letters: ``S`` states, ``A`` actions, ``b`` branches of a state-action pair, ``n`` models. Where the branches lead is fixed,
    how probable they are is not. Observations are the states. What :class:`robust.tabular.TabularMDP` and
    :meth:`robust.IWOCS.solve_tabular` take can be asked for: :meth:`kernels` with ``rewards``, or
    :meth:`branch_probabilities` with ``successors`` and ``branch_rewards``.
    """

    successors: Integers
    """State that each branch leads to, ``(S, A, b)``."""
    branch_rewards: Floats
    """Rewards of the branches, ``(S, A, b)``; branches of a pair that lead to the same state have the same."""
    terminal_states: Flags
    """Whether the episode ends in a state, ``(S,)``; such a state only leads to itself, without reward."""
    start_state: int
    """First state of every episode."""

    state_arrays = ("_states",)

    def __init__(
        self,
        num_envs: int,
        *,
        parameter_space: ParameterSpace,
        successors: Integers,
        rewards: Floats,
        terminal_states: Flags | None = None,
        start_state: int = 0,
        max_episode_steps: int | None,
        picture: StatePicture | None = None,
    ) -> None:
        """Put rows on the tables.

        Args:
            num_envs: Number of rows.
            parameter_space: The parameters that :meth:`branch_probabilities` depends on.
            successors: State that each branch leads to, ``(S, A, b)``.
            rewards: Of the branches, ``(S, A, b)``.
            terminal_states: Whether the episode ends in a state, ``(S,)``; nowhere by default.
            start_state: First state of every episode.
            max_episode_steps: Episodes are truncated at this length.
            picture: How a state is drawn and written; None for a rectangle of numbered cells.

        Raises:
            ValueError: The branches of the nominal model are not distributions.
        """
        from gymnasium.spaces import Box, Discrete

        num_states, num_actions, _ = successors.shape
        self.successors = successors
        self.branch_rewards = rewards
        self.terminal_states = np.zeros(num_states, np.bool_) if terminal_states is None else terminal_states
        self.start_state = start_state
        super().__init__(
            num_envs, parameter_space=parameter_space, num_actions=num_actions, max_episode_steps=max_episode_steps
        )
        self.observation_space: gymnasium.Space[Any] = Discrete(num_states)
        self.action_space: gymnasium.Space[Any] = Discrete(num_actions)
        self.reward_space = Box(np.float32(rewards.min()), np.float32(rewards.max()), shape=(1,), dtype=np.float32)
        # Once, for the nominal model: a row that misses one would send too many or too few to its last branch.
        nominal = self.branch_probabilities(parameter_space.nominal[None])
        read_distributions("branch_probabilities", nominal, ("model", "state", "action", "branch"))
        self._show(num_states, picture)
        self._cumulative = np.zeros((num_envs, *successors.shape))
        self.set_params(parameter_space.nominal)

    @abstractmethod
    def branch_probabilities(self, models: npt.ArrayLike) -> Floats:
        """Return the probabilities of all branches, ``(n, S, A, b)``, in models ``(n, k)``."""

    def kernels(self, models: npt.ArrayLike) -> Floats:
        """Transition probabilities of some models.

        Args:
            models: ``(n, k)``.

        Returns:
            ``(n, S, A, S)``.

        Raises:
            ValueError: A model cannot be simulated.
        """
        probabilities = self.branch_probabilities(models)
        states, actions, branches = self.successors.shape
        dense = np.zeros((len(probabilities), states, actions, states))
        s, a = np.indices((states, actions))
        for branch in range(branches):
            dense[:, s, a, self.successors[..., branch]] += probabilities[..., branch]
        return dense

    @property
    def rewards(self) -> Floats:
        """Rewards ``(S, A)`` if the branches of each pair share one, else of each state reached, ``(S, A, S)``."""
        if (self.branch_rewards == self.branch_rewards[..., :1]).all():
            return self.branch_rewards[..., 0].copy()
        dense = np.zeros((*self.successors.shape[:2], len(self.successors)))
        np.put_along_axis(dense, self.successors, self.branch_rewards, axis=-1)
        return dense

    def set_params(self, params: npt.ArrayLike, rows: Rows | None = None) -> None:
        super().set_params(params, rows)
        chosen = np.arange(self.num_envs) if rows is None else rows
        self._cumulative[chosen] = np.cumsum(self.branch_probabilities(self._params[chosen]), axis=-1)

    def _start(self, rows: Rows) -> npt.NDArray[Any]:
        self._states[rows] = self.start_state
        return self._states[rows]

    def _advance(self, rows: Rows, actions: npt.NDArray[Any]) -> Advanced:
        states = self._states[rows]
        # What lies beyond the last threshold but one is the last branch.
        thresholds = self._cumulative[rows, states, actions, :-1]
        branches = (self._uniforms(rows)[:, None] >= thresholds).sum(axis=-1)
        following = self.successors[states, actions, branches]
        self._states[rows] = following
        rewards = self.branch_rewards[states, actions, branches].astype(np.float32)[:, None]
        return following, rewards, self.terminal_states[following]
