"""A one-legged robot that hops forward, with settable ground friction and masses."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from envs.arrays import Flags
from envs.parametric.mujoco_env import Judgement, MujocoEnv, State
from envs.parametric.physics import BodyMass, GroundFriction, forces, growing

_LEAST_HEIGHT = 0.7  # m
_LARGEST_ANGLE = 0.2  # rad
_LARGEST_STATE = 100.0
CONTROL_COST = 1e-3

_FRICTION = GroundFriction(low=0.1, high=3.0, feet=("foot_geom",), rrls_nominal=0.7)
_TORSO = BodyMass(name="torso_mass", body="torso", low=0.1, high=3.0)
_THIGH = BodyMass(name="thigh_mass", body="thigh", low=0.1, high=4.0)


class Hopper(MujocoEnv):
    """``parametric/hopper-v0``: gymnasium's ``Hopper-v5`` with settable ground friction, torso and thigh mass.

    Reward: forward speed in m/s, plus 1 while healthy, minus 0.001 times the sum of squared actions. An episode ends when the
    hopper falls or leans. Observation ``(11,)`` float64, action ``(3,)`` in [-1, 1], at most 1000 steps.

    The nominal torso (3.67 kg) and thigh (4.06 kg) lie outside the published ranges up to 3 and 4 kg. The nominal friction
    is 2.0, that of the foot on the ground; the floor's own 1.0, which publications call nominal, acts on no foot.
    """

    model_file = "hopper.xml"
    frame_skip = 4
    reset_noise = 5e-3
    largest_speed = 10.0
    parameter_sets: ClassVar[Any] = {**growing(_FRICTION, _TORSO, _THIGH), "forces": forces("xz", foot="foot")}

    def _judge(self, before: State, after: State, actions: npt.NDArray[Any]) -> Judgement:
        healthy, speed = self._healthy(after), self._speed(before, after)
        return speed + healthy - CONTROL_COST * np.square(actions).sum(axis=-1), ~healthy

    def _healthy(self, state: State) -> Flags:
        rest = np.concatenate([state["qpos"][:, 2:], state["qvel"]], axis=-1)
        height, angle = state["qpos"][:, 1], state["qpos"][:, 2]
        bounded = (np.abs(rest) < _LARGEST_STATE).all(axis=-1)
        return np.asarray(bounded & (height > _LEAST_HEIGHT) & (np.abs(angle) < _LARGEST_ANGLE))
