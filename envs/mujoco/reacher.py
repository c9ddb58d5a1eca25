"""Reacher: an arm of two links and the place to reach, or four of them."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from envs.mujoco.batch import Judgement, MuJoCoBatch, State, effort, lengths, nobody

_NOISE, _SLOW, _REACH = 0.1, 5e-3, 0.2
_TARGETS = np.array([0.14, 0.0, -0.14, 0.0, 0.0, 0.14, 0.0, -0.14])
"""The four places of ``mo-reacher``, x and y each."""
_TORQUES = np.array([(first, second) for first in (-1.0, 0.0, 1.0) for second in (-1.0, 0.0, 1.0)])
"""What the nine actions of ``mo-reacher`` mean, ``(9, 2)``."""


class Reacher(MuJoCoBatch):
    """``Reacher`` of gymnasium: minus the distance from the fingertip to a random target, minus the sum of squared torques.

    ``mo-reacher`` has four targets at fixed places, nine discrete actions, and one objective ``1 - 4 d`` per target at
    distance ``d``. This, and version 4 of ``Reacher``, measure distances before the step, not after it.
    """

    arguments: ClassVar[Any] = {"reward_dist_weight": 1, "reward_control_weight": 1}
    rows_per_thread = 8
    compared = "xpos"

    def _gathered(self) -> tuple[str, ...]:
        return ("xpos",)

    def _first_state(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        positions = rng.uniform(low=-_NOISE, high=_NOISE, size=self._model.nq) + self._first_positions
        if self._is_vector:
            positions[:2] = 0, 3.1415 / 2
            positions[-len(_TARGETS) :] = _TARGETS
        else:
            positions[-2:] = _REACH
            while np.linalg.norm(positions[-2:]) >= _REACH:
                positions[-2:] = rng.uniform(low=-_REACH, high=_REACH, size=2)
        velocities = self._first_velocities + rng.uniform(low=-_SLOW, high=_SLOW, size=self._model.nv)
        velocities[-len(_TARGETS) if self._is_vector and self._version >= 5 else -2 :] = 0
        return positions, velocities

    def _simulate(self, rows: list[int], actions: npt.NDArray[Any]) -> None:
        super()._simulate(rows, _TORQUES[actions] if self._is_vector else actions)

    def _way(self, places: Floats) -> Floats:
        """From the target to the fingertip, ``(r, 3)``, of the bodies' places ``(r, bodies, 3)``."""
        return np.asarray(places[:, self._bodies["fingertip"]] - places[:, self._bodies["target"]])

    def _observe(self, state: State) -> Floats:
        angles, velocities = np.ascontiguousarray(state["qpos"][:, :2]), state["qvel"][:, :2]
        if self._is_vector:
            return np.concatenate((np.cos(angles), np.sin(angles), velocities * 0.1), 1)
        # Version 5 leaves out the height, which never changes.
        way = self._way(state["xpos"])[:, : None if self._version < 5 else 2]
        return np.concatenate((np.cos(angles), np.sin(angles), state["qpos"][:, 2:], velocities, way), 1)

    def _judge(self, before: Floats, after: State, actions: npt.NDArray[Any]) -> Judgement:
        if self._is_vector:
            targets = before[:, self._bodies["target1"] : self._bodies["target4"] + 1, :2]
            return 1 - 4 * lengths(before[:, self._bodies["fingertip"], None, :2] - targets), nobody(actions)
        distance = lengths(self._way(before if self._version < 5 else after["xpos"]))
        rewards = -distance * self._given["reward_dist_weight"] + -effort(actions) * self._given["reward_control_weight"]
        return np.asarray(rewards), nobody(actions)
