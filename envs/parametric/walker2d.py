"""A two-legged robot that walks forward, with settable ground friction and masses."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from envs.parametric.mujoco_env import Judgement, MujocoEnv, State
from envs.parametric.physics import BodyMass, GroundFriction, forces, growing

_HEIGHTS = (0.8, 2.0)  # m
_LARGEST_ANGLE = 1.0  # rad
_CONTROL_COST = 1e-3

_FRICTION = GroundFriction(low=0.1, high=4.0, feet=("foot_geom", "foot_left_geom"), rrls_nominal=0.7)
_TORSO = BodyMass(name="torso_mass", body="torso", low=0.1, high=5.0)
_THIGH = BodyMass(name="thigh_mass", body="thigh", low=0.1, high=6.0)


class Walker2d(MujocoEnv):
    """``parametric/walker2d-v0``: gymnasium's ``Walker2d-v5`` with settable ground friction, torso and (right) thigh mass.

    Reward: forward speed in m/s, plus 1 while healthy, minus 0.001 times the sum of squared actions. An episode ends when the
    walker falls or leans. Observation ``(17,)`` float64, action ``(6,)`` in [-1, 1], at most 1000 steps.

    The nominal friction is 1.9, that of the feet on the ground; the floor's own 0.7, which publications call nominal, acts on
    no foot.
    """

    model_file = "walker2d_v5.xml"
    frame_skip = 4
    reset_noise = 5e-3
    largest_speed = 10.0
    parameter_sets: ClassVar[Any] = {
        **growing(_FRICTION, _TORSO, _THIGH),
        "forces": forces("xz", leg="leg", left_foot="foot_left"),
    }

    def _judge(self, before: State, after: State, actions: npt.NDArray[Any]) -> Judgement:
        height, angle = after["qpos"][:, 1], after["qpos"][:, 2]
        healthy = np.asarray((_HEIGHTS[0] < height) & (height < _HEIGHTS[1]) & (np.abs(angle) < _LARGEST_ANGLE))
        return self._speed(before, after) + healthy - _CONTROL_COST * np.square(actions).sum(axis=-1), ~healthy
