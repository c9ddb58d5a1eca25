"""Observation delay: the agent sees an earlier state."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.parametric.wrappers.base import BatchedWrapper
from envs.protocols import BatchedEnv, Rows, Step


class ObservationDelay(BatchedWrapper):
    """Observations are those of some steps ago, at first the first one; rewards and ends are those of now."""

    def __init__(self, env: BatchedEnv, *, steps: int) -> None:
        """Choose how long.

        Args:
            env: Any batched environment.
            steps: Length of the delay, environment steps, at least 0.

        Raises:
            ValueError: ``steps`` is negative or no integer.
        """
        super().__init__(env)
        if int(steps) != steps or steps < 0:
            raise ValueError(f"steps is {steps!r}; expected an integer >= 0")
        self._steps = int(steps)
        space = env.observation_space
        self._past = np.zeros((self._steps + 1, env.num_envs, *(space.shape or ())), space.dtype)

    def reset(
        self, rows: Rows, seeds: npt.NDArray[np.int64], dynamics: npt.NDArray[np.float64] | None = None
    ) -> npt.NDArray[Any]:
        """Start a new episode in some rows; see :meth:`envs.protocols.BatchedEnv.reset`."""
        observations = super().reset(rows, seeds, dynamics)
        self._past[:, rows] = observations
        return observations

    def step(self, rows: Rows, actions: npt.NDArray[Any]) -> Step:
        """Advance some rows by one step; see :meth:`envs.protocols.BatchedEnv.step`."""
        observations, rewards, terminated, truncated = super().step(rows, actions)
        # One place per step, reused in turn: the one after this step's holds the oldest.
        self._past[self._elapsed[rows] % (self._steps + 1), rows] = observations
        seen = self._past[(self._elapsed[rows] + 1) % (self._steps + 1), rows]
        return seen, rewards, terminated, truncated
