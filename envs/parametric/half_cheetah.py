"""A two-legged robot that runs, with settable friction and masses."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from envs.parametric.mujoco_env import Judgement, MujocoEnv, State
from envs.parametric.physics import BodyMass, GroundFriction, forces

_CONTROL_COST = 0.1

_FEET = ("bfoot", "ffoot")
_TORSO = BodyMass(name="torso_mass", body="torso", low=0.1, high=7.0)
_BACK_THIGH = BodyMass(name="back_thigh_mass", body="bthigh", low=0.1, high=3.0)


def _friction(high: float) -> GroundFriction:
    return GroundFriction(low=0.1, high=high, feet=_FEET, every_shape=True, rrls_nominal=0.4)


class HalfCheetah(MujocoEnv):
    """``parametric/half-cheetah-v0``: gymnasium's ``HalfCheetah-v5`` with settable friction, torso and back thigh mass.

    Reward: forward speed in m/s minus 0.1 times the sum of squared actions. Observation ``(17,)`` float64, action ``(6,)`` in
    [-1, 1]. Episodes have 1000 steps.
    """

    model_file = "half_cheetah.xml"
    frame_skip = 5
    reset_noise = 0.1
    normal_velocities = True
    parameter_sets: ClassVar[Any] = {
        1: (_friction(3.0),),
        2: (_friction(4.0), _TORSO),
        3: (_friction(4.0), _TORSO, _BACK_THIGH),
        "forces": forces("xz", torso="torso", back_foot="bfoot", front_foot="ffoot"),
    }

    def _judge(self, before: State, after: State, actions: npt.NDArray[Any]) -> Judgement:
        speed = self._speed(before, after)
        return speed - _CONTROL_COST * np.square(actions).sum(axis=-1), np.zeros(len(speed), np.bool_)
