"""Swimmer: speed and energy."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from envs.mujoco.batch import Judgement, MuJoCoBatch, State, effort, nobody, objectives


class Swimmer(MuJoCoBatch):
    """``Swimmer`` of gymnasium: weighted speed along x, minus the weighted sum of squared torques.

    ``mo-swimmer`` gives both as objectives, without weights.
    """

    arguments: ClassVar[Any] = {
        "forward_reward_weight": 1.0,
        "ctrl_cost_weight": 1e-4,
        "reset_noise_scale": 0.1,
        "exclude_current_positions_from_observation": True,
    }
    unseen = 2

    def _judge(self, before: Floats, after: State, actions: npt.NDArray[Any]) -> Judgement:
        speed, squares = self._speed(before, after), effort(actions)
        if not self._is_vector:
            return np.asarray(self._given["forward_reward_weight"] * speed - self._weighted(squares)), nobody(speed)
        energy = -squares if self._version < 5 else self._unweighted(self._weighted(squares))
        return objectives(speed, energy), nobody(speed)
