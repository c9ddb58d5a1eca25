"""Half-cheetah, speed against energy."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from envs.mujoco.batch import Judgement, MuJoCoBatch, effort


class HalfCheetah(MuJoCoBatch):
    """``mo-halfcheetah-v4`` and ``-v5``: speed along the track, and the negative sum of squared torques.

    Version 4 multiplies the second objective by the weight of the control cost, 0.1; version 5 does not.
    """

    normal_velocities = True

    def __init__(self, num_envs: int, version: int, ctrl_cost_weight: float, max_episode_steps: int | None) -> None:
        """Make the rows; arguments as of the original."""
        module = import_module(f"mo_gymnasium.envs.mujoco.half_cheetah_v{version}")
        # The original's name is spelt like this.
        super().__init__(module.MOHalfCheehtahEnv(), num_envs, max_episode_steps=max_episode_steps)
        self._version, self._cost = version, ctrl_cost_weight

    def _judge(self, speed: Floats, positions: Floats, velocities: Floats, actions: npt.NDArray[Any]) -> Judgement:
        del positions, velocities
        energy = -(self._cost * effort(actions))
        if self._version >= 5:
            energy = energy / self._cost
        return np.stack([speed, energy], 1).astype(np.float32), np.zeros(len(speed), np.bool_)


def half_cheetah_v4(num_envs: int, *, ctrl_cost_weight: float = 0.1, max_episode_steps: int | None = None) -> HalfCheetah:
    """Batched ``mo-halfcheetah-v4``."""
    return HalfCheetah(num_envs, 4, ctrl_cost_weight, max_episode_steps)


def half_cheetah_v5(num_envs: int, *, ctrl_cost_weight: float = 0.1, max_episode_steps: int | None = None) -> HalfCheetah:
    """Batched ``mo-halfcheetah-v5``."""
    return HalfCheetah(num_envs, 5, ctrl_cost_weight, max_episode_steps)
