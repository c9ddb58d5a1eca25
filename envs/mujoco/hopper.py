"""Hopper: speed, height and energy on one leg."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from envs.mujoco.batch import Judgement, MuJoCoBatch, State, clipped, effort, every, objectives, within


class Hopper(MuJoCoBatch):
    """``Hopper`` of gymnasium: weighted speed along the track, a reward for being alive, minus the weighted sum of squared
    torques. An episode ends when the robot falls.

    ``mo-hopper`` has as objectives the speed, ten times the height over the start, and either the energy or, with two
    objectives, the control cost in both; the reward for being alive is added to each.
    """

    arguments: ClassVar[Any] = {
        "forward_reward_weight": 1.0,
        "ctrl_cost_weight": 1e-3,
        "healthy_reward": 1.0,
        "terminate_when_unhealthy": True,
        "healthy_state_range": (-100.0, 100.0),
        "healthy_z_range": (0.7, np.inf),
        "healthy_angle_range": (-0.2, 0.2),
        "reset_noise_scale": 5e-3,
        "exclude_current_positions_from_observation": True,
        "cost_objective": True,
    }
    unseen = 1

    def __init__(self, num_envs: int, **arguments: Any) -> None:
        """Make the rows; arguments as of the base."""
        super().__init__(num_envs, **arguments)
        limits = np.tile(self._given["healthy_state_range"], (self._model.nq - 1 + self._model.nv, 1)).T
        low, high = self._given["healthy_angle_range"]
        limits[:, 1] = max(low, limits[0, 1]), min(high, limits[1, 1])
        # The height has a range of its own.
        limits[:, 0] = self._given["healthy_z_range"]
        self._healthy = limits

    def _observe(self, state: State) -> Floats:
        return super()._observe({**state, "qvel": clipped(state["qvel"], -10, 10)})

    def _judge(self, before: Floats, after: State, actions: npt.NDArray[Any]) -> Judgement:
        speed, squares, positions = self._speed(before, after), effort(actions), after["qpos"]
        state = np.concatenate((positions[:, 1:], after["qvel"]), 1)
        alive, terminated = self._alive(every(within(state, self._healthy)))
        cost = self._weighted(squares)
        if not self._is_vector:
            return self._given["forward_reward_weight"] * speed + alive - cost, terminated
        height = 10 * (positions[:, 1] - self._first_positions[1])
        if self._given["cost_objective"]:
            rewards = objectives(speed, height, -squares if self._version < 5 else self._unweighted(cost))
        else:
            rewards = objectives(speed, height)
            rewards -= cost[:, None]
        # A Python float in the original, which takes the precision of the rewards.
        rewards += alive.astype(np.float32)[:, None]
        return rewards, terminated
