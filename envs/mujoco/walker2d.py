"""Walker: speed and energy on two legs."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from envs.mujoco.batch import Judgement, MuJoCoBatch, State, clipped, effort, every, objectives, within


class Walker2d(MuJoCoBatch):
    """``Walker2d`` of gymnasium: weighted speed along the track, a reward for being alive, minus the weighted sum of squared
    torques. An episode ends when the robot falls.

    ``mo-walker2d`` gives speed and energy as objectives, without weights, the reward for being alive added to both.
    """

    arguments: ClassVar[Any] = {
        "forward_reward_weight": 1.0,
        "ctrl_cost_weight": 1e-3,
        "healthy_reward": 1.0,
        "terminate_when_unhealthy": True,
        "healthy_z_range": (0.8, 2.0),
        "healthy_angle_range": (-1.0, 1.0),
        "reset_noise_scale": 5e-3,
        "exclude_current_positions_from_observation": True,
    }
    unseen = 1

    def __init__(self, num_envs: int, **arguments: Any) -> None:
        """Make the rows; arguments as of the base."""
        super().__init__(num_envs, **arguments)
        self._upright = np.array([self._given["healthy_z_range"], self._given["healthy_angle_range"]]).T

    def _observe(self, state: State) -> Floats:
        return super()._observe({**state, "qvel": clipped(state["qvel"], -10, 10)})

    def _judge(self, before: Floats, after: State, actions: npt.NDArray[Any]) -> Judgement:
        speed, squares, positions = self._speed(before, after), effort(actions), after["qpos"]
        alive, terminated = self._alive(every(within(positions[:, 1:3], self._upright)))
        if not self._is_vector:
            return self._given["forward_reward_weight"] * speed + alive - self._weighted(squares), terminated
        # The reward for being alive is a Python float in version 4 and takes the precision of the rewards.
        energy = -squares if self._version < 5 else self._unweighted(self._weighted(squares))
        rewards = objectives(speed, energy)
        rewards += (alive.astype(np.float32) if self._version < 5 else alive)[:, None]
        return rewards, terminated
