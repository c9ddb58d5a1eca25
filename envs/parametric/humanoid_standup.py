"""A human-like robot that lies on the ground and gets up, with settable masses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from envs.parametric.mujoco_env import Judgement, MujocoEnv, State
from envs.parametric.physics import BodyMass, forces

_CONTROL_COST = 0.1
_IMPACT_COST = 0.5e-6
_LARGEST_IMPACT = 10.0
_FREE_JOINT = 6

_TORSO = BodyMass(name="torso_mass", body="torso", low=0.1, high=16.0)
_RIGHT_FOOT = BodyMass(name="right_foot_mass", body="right_foot", low=0.1, high=8.0)
_LEFT_THIGH = BodyMass(name="left_thigh_mass", body="left_thigh", low=0.1, high=5.0)


class HumanoidStandup(MujocoEnv):
    """``parametric/humanoid-standup-v0``: gymnasium's ``HumanoidStandup-v5`` with settable torso, foot and thigh masses.

    Reward: height of the torso over the length of a simulation step, plus 1, minus 0.1 times the sum of squared controls, minus
    an impact cost up to 10. Observation ``(348,)`` float64, action ``(17,)`` in [-0.4, 0.4]. Episodes have 1000 steps.

    With three parameters, two publications differ in which of right foot and left thigh goes up to 8 kg and which to 5 kg:
    ``parameter_set=3`` is that of RRLS, ``"3-m2td3"`` that of M2TD3.
    """

    model_file = "humanoidstandup.xml"
    frame_skip = 5
    reset_noise = 1e-2
    gathered = ("cinert", "cvel", "qfrc_actuator", "cfrc_ext", "ctrl")
    compared = ()
    parameter_sets: ClassVar[Any] = {
        1: (_TORSO,),
        2: (_TORSO, _RIGHT_FOOT),
        3: (_TORSO, _LEFT_THIGH, _RIGHT_FOOT),
        "3-m2td3": (_TORSO, replace(_RIGHT_FOOT, high=5.0), replace(_LEFT_THIGH, high=8.0)),
        "forces": forces("xy", torso="torso", right_thigh="right_thigh", left_foot="left_foot"),
    }

    def _observe(self, state: State) -> Floats:
        bodies = [state[name][:, 1:].reshape(len(state[name]), -1) for name in ("cinert", "cvel", "cfrc_ext")]
        motors = state["qfrc_actuator"][:, _FREE_JOINT:]
        return np.concatenate([state["qpos"][:, 2:], state["qvel"], *bodies[:2], motors, bodies[2]], axis=-1)

    def _judge(self, before: State, after: State, actions: npt.NDArray[Any]) -> Judgement:
        up = after["qpos"][:, 2] / float(self._model.opt.timestep)
        impact = np.minimum(_IMPACT_COST * np.square(after["cfrc_ext"]).sum(axis=(-2, -1)), _LARGEST_IMPACT)
        rewards = up - _CONTROL_COST * np.square(after["ctrl"]).sum(axis=-1) - impact + 1.0
        return rewards, np.zeros(len(rewards), np.bool_)
