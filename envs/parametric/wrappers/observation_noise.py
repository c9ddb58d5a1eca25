"""Observation noise: the agent sees the state blurred."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.parametric.wrappers.base import BatchedWrapper
from envs.protocols import BatchedEnv, Rows


class ObservationNoise(BatchedWrapper):
    """Normal noise on every observation, drawn anew at every step by the episode's seed; rewards and ends are not blurred."""

    def __init__(self, env: BatchedEnv, *, scale: npt.ArrayLike) -> None:
        """Choose how much.

        Args:
            env: With vectors ``(d,)`` as observations.
            scale: Standard deviation in the units of the observations, a number or ``(d,)``.

        Raises:
            ValueError: The observations are no vectors, or a standard deviation is negative or not finite.
        """
        from gymnasium.spaces import Box

        super().__init__(env)
        space = env.observation_space
        if not isinstance(space, Box) or len(space.shape) != 1:
            raise ValueError(f"ObservationNoise needs vectors as observations; found {space}")
        deviations = np.asarray(scale, np.float64)
        if deviations.shape not in ((), space.shape) or not np.isfinite(deviations).all() or (deviations < 0).any():
            raise ValueError(f"scale is {scale!r}; expected standard deviations >= 0, one number or {space.shape}")
        self._scale = np.broadcast_to(deviations, space.shape)
        self.observation_space = Box(-np.inf, np.inf, shape=space.shape, dtype=space.dtype.type)

    def _shown(self, rows: Rows, observations: npt.NDArray[Any]) -> npt.NDArray[Any]:
        from scipy.special import ndtri

        noise = self._scale * ndtri(self._uniforms(rows, len(self._scale)))
        return np.asarray(observations + noise, dtype=observations.dtype)
