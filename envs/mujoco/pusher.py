"""Pusher: an arm that pushes a cylinder to its goal."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from envs.mujoco.batch import Judgement, MuJoCoBatch, State, effort, lengths, nobody

_JOINTS = 7
_NEAREST = 0.17  # m
_SLOW = 5e-3


class Pusher(MuJoCoBatch):
    """``Pusher-v5`` of gymnasium: minus weighted distances of the cylinder from its goal and from the arm's tip, minus the
    weighted sum of squared torques. Version 4 does not run with the MuJoCo of today.
    """

    arguments: ClassVar[Any] = {"reward_near_weight": 0.5, "reward_dist_weight": 1, "reward_control_weight": 0.1}
    compared = None

    def _gathered(self) -> tuple[str, ...]:
        return ("xpos",)

    def _first_state(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        positions = self._first_positions.copy()
        positions[-4:] = 0
        while np.linalg.norm(positions[-4:-2]) <= _NEAREST:
            positions[-4:-2] = rng.uniform(low=-0.3, high=0), rng.uniform(low=-0.2, high=0.2)
        velocities = self._first_velocities + rng.uniform(low=-_SLOW, high=_SLOW, size=self._model.nv)
        velocities[-4:] = 0
        return positions, velocities

    def _places(self, state: State) -> list[Floats]:
        """Of the arm's tip, the cylinder and its goal, each ``(r, 3)``."""
        return [state["xpos"][:, self._bodies[name]] for name in ("tips_arm", "object", "goal")]

    def _observe(self, state: State) -> Floats:
        return np.concatenate((state["qpos"][:, :_JOINTS], state["qvel"][:, :_JOINTS], *self._places(state)), 1)

    def _judge(self, before: Floats, after: State, actions: npt.NDArray[Any]) -> Judgement:
        tip, cylinder, goal = self._places(after)
        near = -lengths(cylinder - tip) * self._given["reward_near_weight"]
        distance = -lengths(cylinder - goal) * self._given["reward_dist_weight"]
        return distance + -effort(actions) * self._given["reward_control_weight"] + near, nobody(near)
