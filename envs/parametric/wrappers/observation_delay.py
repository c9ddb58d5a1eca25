"""Observation delay: the agent sees an earlier state."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.parametric.wrappers.base import BatchedWrapper
from envs.protocols import BatchedEnv, Rows


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

    def _shown(self, rows: Rows, observations: npt.NDArray[Any]) -> npt.NDArray[Any]:
        elapsed = self._elapsed[rows]
        if not elapsed.any():  # after a reset
            self._past[:, rows] = observations
        # One place per step, reused in turn: the one after this step's holds the oldest.
        self._past[elapsed % (self._steps + 1), rows] = observations
        return self._past[(elapsed + 1) % (self._steps + 1), rows]
