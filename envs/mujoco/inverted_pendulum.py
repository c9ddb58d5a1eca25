"""Inverted pendulum: a pole balanced on a cart."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from envs.mujoco.batch import Judgement, MuJoCoBatch, State, every

_LARGEST_ANGLE = 0.2  # rad


class InvertedPendulum(MuJoCoBatch):
    """``InvertedPendulum`` of gymnasium: 1 for every step; an episode ends when the pole leans too far, whose step version 4
    pays for too.
    """

    arguments: ClassVar[Any] = {"reset_noise_scale": 0.01}
    rows_per_thread = 8
    compared = None

    def _judge(self, before: Floats, after: State, actions: npt.NDArray[Any]) -> Judgement:
        finite = every(np.isfinite(after["qpos"])) & every(np.isfinite(after["qvel"]))
        terminated = np.asarray(~finite | (np.abs(after["qpos"][:, 1]) > _LARGEST_ANGLE))
        return np.ones(len(actions)) if self._version < 5 else np.asarray(~terminated, np.float64), terminated
