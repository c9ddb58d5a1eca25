"""Humanoid: speed and energy of a human-like robot."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from envs.mujoco.batch import Judgement, MuJoCoBatch, State, clipped, effort, objectives, within

_FREE_JOINT = 6
_SEEN = ("cinert", "cvel", "qfrc_actuator", "cfrc_ext")


class WholeBody(MuJoCoBatch):
    """Base of the human-like robots, whose inertia, velocity, motors and contacts are observed."""

    unseen = 2
    rows_per_thread = 2

    def _observe(self, state: State) -> Floats:
        parts = [super()._observe(state)]
        for name in _SEEN:
            # Given another truth than True, version 5 leaves a part out.
            if self._given[f"include_{name}_in_observation"] is True:
                # Version 5 leaves out what is always zero: the world, and motors of the joint that holds nothing.
                zeros = 0 if self._version < 5 else _FREE_JOINT if name == "qfrc_actuator" else 1
                parts.append(state[name][:, zeros:].reshape(len(state[name]), -1))
        return np.concatenate(parts, 1)

    def _gathered(self) -> tuple[str, ...]:
        seen = (name for name in _SEEN if self._given[f"include_{name}_in_observation"] is True or name == "cfrc_ext")
        return tuple(seen) if self.compared is None else (*seen, self.compared)


WHOLE_BODY_ARGUMENTS = {
    "ctrl_cost_weight": 0.1,
    "reset_noise_scale": 1e-2,
    "exclude_current_positions_from_observation": True,
    **{f"include_{name}_in_observation": True for name in _SEEN},
}


class Humanoid(WholeBody):
    """``Humanoid`` of gymnasium: weighted speed of the centre of mass along x, a reward for being alive, minus weighted sums of
    squared controls and, in version 5, contact forces. An episode ends when the torso is too high or too low.

    ``mo-humanoid`` has as objectives the speed and the energy; the reward for being alive and the cost of contacts are added to
    both.
    """

    arguments: ClassVar[Any] = {
        **WHOLE_BODY_ARGUMENTS,
        "forward_reward_weight": 1.25,
        "contact_cost_weight": 0.0,
        "contact_cost_range": (-np.inf, 10.0),
        "healthy_reward": 5.0,
        "terminate_when_unhealthy": True,
        "healthy_z_range": (1.0, 2.0),
    }
    compared = "xipos"

    def _judge(self, before: Floats, after: State, actions: npt.NDArray[Any]) -> Judgement:
        speed = (self._middle(after["xipos"]) - self._middle(before)) / self._seconds
        alive, terminated = self._alive(within(after["qpos"][:, 2], self._given["healthy_z_range"]))
        cost = self._weighted(effort(actions.astype(np.float64)))
        contact = np.zeros(len(cost))
        if self._version >= 5:
            contact = self._given["contact_cost_weight"] * effort(after["cfrc_ext"].reshape(len(cost), -1))
            contact = clipped(contact, *self._given["contact_cost_range"])
        if not self._is_vector:
            return self._given["forward_reward_weight"] * speed + alive - (cost + contact), terminated
        rewards = objectives(speed, 10 * -cost if self._version < 5 else self._unweighted(cost))
        # A Python float in version 4, which takes the precision of the rewards.
        rewards += (alive.astype(np.float32) if self._version < 5 else alive)[:, None]
        rewards -= contact[:, None]
        return rewards, terminated

    def _middle(self, places: Floats) -> Floats:
        """Where the centre of mass is along x, ``(r,)``, of the bodies' places ``(r, bodies, 3)``."""
        masses = self._model.body_mass
        # As the original adds up a single robot: body by body.
        return np.asarray(np.einsum("b,rbj->rj", masses, places)[:, 0] / masses.sum())
