"""The hopper with two or three objectives: speed, height, energy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.parametric.hopper import CONTROL_COST, Hopper
from envs.parametric.mujoco_env import Judgement, ParameterSet, State
from envs.parametric.physics import Compat


class MOHopper(Hopper):
    """``parametric/mo-hopper-v0``: mo-gymnasium's ``mo-hopper-v5`` with settable ground friction and masses.

    Objectives: forward speed, height above the start in units of 0.1 m, and minus the sum of squared actions, each plus 1 while
    healthy. Without ``cost_objective`` (``mo-hopper-2obj-v5``) there are the first two, each minus 0.001 times that sum.
    Everything else as in :class:`envs.parametric.hopper.Hopper`.
    """

    scalar_reward = False

    def __init__(
        self,
        num_envs: int,
        *,
        cost_objective: bool = True,
        parameter_set: ParameterSet = 2,
        compat: Compat = None,
        horizon: int = 1000,
        max_episode_steps: int | None = None,
    ) -> None:
        """Choose the objectives.

        Args:
            num_envs: Number of rows.
            cost_objective: Whether energy is an objective of its own.
            parameter_set: As for :class:`envs.parametric.mujoco_env.MujocoEnv`.
            compat: As there.
            horizon: As there.
            max_episode_steps: As there.
        """
        self.num_objectives = 3 if cost_objective else 2
        names, units = ("speed", "height", "energy"), ("m/s", "0.1 m above the start", "squared control")
        self.objective_names, self.objective_units = names[: self.num_objectives], units[: self.num_objectives]
        super().__init__(
            num_envs, parameter_set=parameter_set, compat=compat, horizon=horizon, max_episode_steps=max_episode_steps
        )

    def _judge(self, before: State, after: State, actions: npt.NDArray[Any]) -> Judgement:
        healthy, speed = self._healthy(after), self._speed(before, after)
        height = 10.0 * (after["qpos"][:, 1] - self._model.qpos0[1])
        energy = np.square(actions).sum(axis=-1)
        if self.num_objectives == 3:
            rewards = np.stack([speed, height, -energy], axis=-1)
        else:
            rewards = np.stack([speed, height], axis=-1) - CONTROL_COST * energy[:, None]
        return rewards + healthy[:, None], ~healthy
