"""Half-cheetah: speed and energy."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from envs.mujoco.batch import Judgement, MuJoCoBatch, State, effort, nobody, objectives


class HalfCheetah(MuJoCoBatch):
    """``HalfCheetah`` of gymnasium: weighted speed along the track, minus the weighted sum of squared torques.

    ``mo-halfcheetah`` gives both as objectives. Its version 4 keeps the weights; version 5 does not.
    """

    arguments: ClassVar[Any] = {
        "forward_reward_weight": 1.0,
        "ctrl_cost_weight": 0.1,
        "reset_noise_scale": 0.1,
        "exclude_current_positions_from_observation": True,
    }
    normal_velocities = True
    unseen = 1

    def _judge(self, before: Floats, after: State, actions: npt.NDArray[Any]) -> Judgement:
        speed, cost = self._speed(before, after), self._weighted(effort(actions))
        if self._is_vector and self._version >= 5:
            return objectives(speed, self._unweighted(cost)), nobody(speed)
        forward = np.asarray(self._given["forward_reward_weight"] * speed)
        return (objectives(forward, -cost) if self._is_vector else forward - cost), nobody(speed)
