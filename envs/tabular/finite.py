"""Any finite environment, stepped by looking up its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from envs.protocols import Advanced, Rows
from envs.tabular.pictures import StateEnv, StatePicture
from envs.tabular.tables import Tables

if TYPE_CHECKING:
    import gymnasium


class FiniteEnv(StateEnv):
    """A batched environment over :class:`~envs.tabular.tables.Tables`: one step is a handful of array look-ups."""

    tables: Tables
    """The whole environment; :func:`envs.tabular.exact.optimal_values` solves it."""

    def __init__(
        self,
        num_envs: int,
        *,
        tables: Tables,
        observation_space: gymnasium.Space[Any],
        reward_space: gymnasium.spaces.Box,
        max_episode_steps: int | None = None,
        picture: StatePicture | None = None,
    ) -> None:
        """Put rows on the tables.

        Args:
            num_envs: Number of rows.
            tables: Transitions, rewards and observations.
            observation_space: Of a single copy; holds every entry of ``tables.observations``.
            reward_space: Shape ``(m,)``.
            max_episode_steps: Episodes are truncated at this length; None if they only end by themselves.
            picture: How a state is drawn and written; None for a rectangle of numbered cells.
        """
        from gymnasium.spaces import Discrete

        num_states, num_actions, branches = tables.successors.shape
        super().__init__(num_envs, num_actions=num_actions, max_episode_steps=max_episode_steps)
        self.tables = tables
        self.observation_space = observation_space
        self.action_space = Discrete(num_actions)
        self.reward_space = reward_space
        self._stride = num_actions
        self._branches = branches
        # Rows of a matrix are gathered with `take`, which is several times faster than indexing.
        self._observations = tables.observations
        self._successors = tables.successors.reshape(-1)
        self._rewards = tables.rewards.reshape(-1, tables.num_objectives)
        self._terminal = tables.terminal.reshape(-1)
        # A uniform number below the first threshold takes branch 0, between the first and second branch 1, and so on.
        cumulative = np.cumsum(tables.probabilities, axis=-1)
        self._thresholds = [np.ascontiguousarray(cumulative[..., branch].reshape(-1)) for branch in range(branches - 1)]
        self._start_thresholds = None if tables.start_probabilities is None else np.cumsum(tables.start_probabilities)[:-1]
        self._show(num_states, picture)

    def _start(self, rows: Rows) -> npt.NDArray[Any]:
        starts = self.tables.starts
        if self._start_thresholds is None:
            states = self._one_of(rows, starts)
        else:
            states = starts[np.searchsorted(self._start_thresholds, self._uniforms(rows), side="right")]
        self._states[rows] = states
        return self._observations.take(states, axis=0)

    def _advance(self, rows: Rows, actions: npt.NDArray[Any]) -> Advanced:
        index = self._states[rows] * self._stride + actions
        if self._branches > 1:
            chance = self._uniforms(rows)
            pair, index = index, index * self._branches
            for threshold in self._thresholds:
                index += chance >= threshold[pair]
        states = self._successors[index]
        self._states[rows] = states
        return self._observations.take(states, axis=0), self._rewards.take(index, axis=0), self._terminal[index]
