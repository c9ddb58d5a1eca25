"""Inverted double pendulum: a pole balanced on a pole balanced on a cart."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from envs.mujoco.batch import Judgement, MuJoCoBatch, State, clipped


class InvertedDoublePendulum(MuJoCoBatch):
    """``InvertedDoublePendulum`` of gymnasium: a reward for being alive, minus how far the tip is from its upright place and
    how fast the poles turn. An episode ends when the tip is low.
    """

    arguments: ClassVar[Any] = {"healthy_reward": 10.0, "reset_noise_scale": 0.1}
    compared = None
    normal_velocities = True

    def _gathered(self) -> tuple[str, ...]:
        return "site_xpos", "qfrc_constraint"

    def _observe(self, state: State) -> Floats:
        positions, angles = state["qpos"][:, :1], np.ascontiguousarray(state["qpos"][:, 1:])
        # Version 5 shows the force on the cart alone; those on the poles are always zero.
        forces = state["qfrc_constraint"][:, : None if self._version < 5 else 1]
        parts = (positions, np.sin(angles), np.cos(angles), clipped(state["qvel"], -10, 10), clipped(forces, -10, 10))
        return np.concatenate(parts, 1)

    def _judge(self, before: Floats, after: State, actions: npt.NDArray[Any]) -> Judgement:
        x, height = after["site_xpos"][:, 0, 0], after["site_xpos"][:, 0, 2]
        terminated = np.asarray(height <= 1)
        distance = 0.01 * np.square(x) + np.square(height - 2)
        turning = 1e-3 * np.square(after["qvel"][:, 1]) + 5e-3 * np.square(after["qvel"][:, 2])
        alive = self._given["healthy_reward"] * np.asarray((self._version < 5) | ~terminated, np.float64)
        return alive - distance - turning, terminated
