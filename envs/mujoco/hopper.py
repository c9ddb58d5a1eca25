"""Hopper, speed against height, optionally against energy."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.arrays import Flags, Floats
from envs.mujoco.batch import Judgement, MuJoCoBatch, effort

_STATES, _HEIGHTS, _ANGLES = (-100.0, 100.0), (0.7, np.inf), (-0.2, 0.2)
"""Where the robot counts as standing: all but the first two positions and the velocities, its height, its angle."""
_COST = 1e-3


class Hopper(MuJoCoBatch):
    """``mo-hopper-v4``, ``-2d-v4``, ``-v5`` and ``-2obj-v5``: speed along the track, ten times the height over the start, and
    either the negative sum of squared torques or, with two objectives, a small control cost in both. Each objective has the
    reward for being alive, 1, added. An episode ends when the robot falls.
    """

    def __init__(self, num_envs: int, version: int, cost_objective: bool, max_episode_steps: int | None) -> None:
        """Make the rows; arguments as of the original."""
        module = import_module(f"mo_gymnasium.envs.mujoco.hopper_v{version}")
        original = module.MOHopperEnv(cost_objective=cost_objective)
        super().__init__(original, num_envs, max_episode_steps=max_episode_steps)
        self._version, self._has_cost = version, cost_objective

    def _observe(self, positions: Floats, velocities: Floats) -> Floats:
        return super()._observe(positions, np.clip(velocities, -10, 10))

    def _judge(self, speed: Floats, positions: Floats, velocities: Floats, actions: npt.NDArray[Any]) -> Judgement:
        rest = np.concatenate([positions[:, 2:], velocities], 1)
        stands: Flags = np.all((_STATES[0] < rest) & (rest < _STATES[1]), axis=1)
        for column, (low, high) in ((1, _HEIGHTS), (2, _ANGLES)):
            stands &= (low < positions[:, column]) & (positions[:, column] < high)
        height = 10 * (positions[:, 1] - self._first_positions[1])
        squares = effort(actions)
        rewards: npt.NDArray[np.float32]
        if self._has_cost:
            energy = -squares if self._version < 5 else -(_COST * squares) / _COST
            rewards = np.stack([speed, height, energy], 1, dtype=np.float32, casting="same_kind")
        else:
            rewards = np.stack([speed, height], 1, dtype=np.float32, casting="same_kind")
            rewards -= (_COST * squares)[:, None]
        # Version 4 pays for the last step of a fall too.
        rewards += 1.0 if self._version < 5 else stands[:, None]
        return rewards, ~stands


def hopper_v4(num_envs: int, *, cost_objective: bool = True, max_episode_steps: int | None = None) -> Hopper:
    """Batched ``mo-hopper-v4`` and, without the cost as an objective, ``mo-hopper-2d-v4``."""
    return Hopper(num_envs, 4, cost_objective, max_episode_steps)


def hopper_v5(num_envs: int, *, cost_objective: bool = True, max_episode_steps: int | None = None) -> Hopper:
    """Batched ``mo-hopper-v5`` and, without the cost as an objective, ``mo-hopper-2obj-v5``."""
    return Hopper(num_envs, 5, cost_objective, max_episode_steps)
