"""Hopper: speed, height and energy on one leg."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from envs.mujoco.batch import Judgement, MuJoCoBatch, State, effort, objectives, within


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

    def _observe(self, state: State) -> Floats:
        return super()._observe({**state, "qvel": np.clip(state["qvel"], -10, 10)})

    def _judge(self, before: Floats, after: State, actions: npt.NDArray[Any]) -> Judgement:
        speed, squares, positions = self._speed(before, after), effort(actions), after["qpos"]
        rest = np.concatenate((positions[:, 2:], after["qvel"]), 1)
        alive, terminated = self._alive(
            np.logical_and.reduce(within(rest, self._given["healthy_state_range"]), 1)
            & within(positions[:, 1], self._given["healthy_z_range"])
            & within(positions[:, 2], self._given["healthy_angle_range"])
        )
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
