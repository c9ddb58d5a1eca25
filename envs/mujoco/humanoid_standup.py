"""Humanoid stand-up: a human-like robot that lies on the ground and gets up."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from envs.mujoco.batch import Judgement, State, clipped, effort, nobody
from envs.mujoco.humanoid import WHOLE_BODY_ARGUMENTS, WholeBody


class HumanoidStandup(WholeBody):
    """``HumanoidStandup`` of gymnasium: height of the torso over the length of a simulation step, plus 1, minus weighted sums
    of squared controls and contact forces. Episodes have a fixed length.
    """

    arguments: ClassVar[Any] = {
        **WHOLE_BODY_ARGUMENTS,
        "uph_cost_weight": 1,  # the original has no use for it either
        "impact_cost_weight": 0.5e-6,
        "impact_cost_range": (-np.inf, 10.0),
    }
    compared = None

    def _judge(self, before: Floats, after: State, actions: npt.NDArray[Any]) -> Judgement:
        up = after["qpos"][:, 2] / self._model.opt.timestep
        cost = self._weighted(effort(actions.astype(np.float64)))
        impact = self._given["impact_cost_weight"] * effort(after["cfrc_ext"].reshape(len(up), -1))
        return up - cost - clipped(impact, *self._given["impact_cost_range"]) + 1, nobody(up)
