"""A four-legged robot that walks, with settable masses."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from envs.parametric.mujoco_env import Judgement, MujocoEnv, State
from envs.parametric.physics import BodyMass, forces, growing

_HEIGHTS = (0.2, 1.0)  # m
_CONTROL_COST = 0.5
_CONTACT_COST = 5e-4
_TORSO_BODY = 1

_TORSO = BodyMass(name="torso_mass", body="torso", low=0.1, high=3.0)
_LEFT = BodyMass(name="front_left_leg_mass", body="front_left_leg", low=0.01, high=3.0)
_RIGHT = BodyMass(name="front_right_leg_mass", body="front_right_leg", low=0.01, high=3.0)


class Ant(MujocoEnv):
    """``parametric/ant-v0``: gymnasium's ``Ant-v5`` with settable torso and front leg masses.

    Reward: speed along x in m/s, plus 1 while healthy, minus 0.5 times the sum of squared actions, minus 0.0005 times that of
    the contact forces, each clipped to [-1, 1]. An episode ends when the torso is too high or too low. Observation ``(105,)``
    float64, action ``(8,)`` in [-1, 1], at most 1000 steps.
    """

    model_file = "ant.xml"
    frame_skip = 5
    reset_noise = 0.1
    normal_velocities = True
    gathered = ("cfrc_ext", "xpos")
    # Gymnasium measures the way of the torso as the simulation last saw it, one simulation step behind its coordinates.
    compared = ("xpos",)
    parameter_sets: ClassVar[Any] = {
        **growing(_TORSO, _LEFT, _RIGHT),
        "forces": forces("xy", torso="torso", front_left_leg="front_left_leg", front_right_leg="front_right_leg"),
    }

    def _observe(self, state: State) -> Floats:
        contacts = np.clip(state["cfrc_ext"][:, 1:], -1.0, 1.0).reshape(len(state["qpos"]), -1)
        return np.concatenate([state["qpos"][:, 2:], state["qvel"], contacts], axis=-1)

    def _judge(self, before: State, after: State, actions: npt.NDArray[Any]) -> Judgement:
        height = after["qpos"][:, 2]
        finite = np.isfinite(after["qpos"]).all(axis=-1) & np.isfinite(after["qvel"]).all(axis=-1)
        healthy = np.asarray(finite & (_HEIGHTS[0] <= height) & (height <= _HEIGHTS[1]))
        speed = (after["xpos"] - before["xpos"])[:, _TORSO_BODY, 0] / self.time_step
        contact = np.square(np.clip(after["cfrc_ext"], -1.0, 1.0)).sum(axis=(-2, -1))
        costs = _CONTROL_COST * np.square(actions).sum(axis=-1) + _CONTACT_COST * contact
        return speed + healthy - costs, ~healthy
