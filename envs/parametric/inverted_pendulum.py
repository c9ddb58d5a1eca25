"""A pole to be balanced on a cart by MuJoCo, with settable masses."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from envs.parametric.mujoco_env import Judgement, MujocoEnv, State
from envs.parametric.physics import BodyMass, forces

_LARGEST_ANGLE = 0.2  # rad

# RRLS swaps the two nominal masses.
_POLE = BodyMass(name="pole_mass", body="pole", low=1.0, high=31.0, rrls_nominal=10.47)
_CART = BodyMass(name="cart_mass", body="cart", low=1.0, high=11.0, rrls_nominal=5.02)


class InvertedPendulum(MujocoEnv):
    """``parametric/inverted-pendulum-v0``: gymnasium's ``InvertedPendulum-v5`` with settable pole and cart mass.

    Reward 1 per step until the pole leans by more than 0.2 rad; at most 1000 steps. Observation ``(4,)`` float64, action
    ``(1,)`` in [-3, 3].
    """

    model_file = "inverted_pendulum.xml"
    frame_skip = 2
    reset_noise = 0.01
    unseen = 0
    compared = ()
    parameter_sets: ClassVar[Any] = {1: (_POLE,), 2: (_POLE, _CART), "forces": forces("xz", pole="pole")}

    def _judge(self, before: State, after: State, actions: npt.NDArray[Any]) -> Judgement:
        seen = self._observe(after)
        terminated = ~np.isfinite(seen).all(axis=-1) | (np.abs(seen[:, 1]) > _LARGEST_ANGLE)
        return np.where(terminated, 0.0, 1.0), terminated
