"""Ant: speed in two directions and energy on four legs."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from envs.mujoco.batch import Judgement, MuJoCoBatch, State, clipped, effort, every, objectives


class Ant(MuJoCoBatch):
    """``Ant`` of gymnasium: weighted speed of the torso along x, a reward for being alive, minus weighted sums of squared
    torques and contact forces. An episode ends when the torso is too high or too low.

    Version 4 looks at contact forces only if it is told to. ``mo-ant`` has as objectives the speeds along x and y, and either
    the energy or, with two objectives, the control cost in both; the reward for being alive and, in version 5, the cost of
    contacts are added to each. Told to look at contact forces, version 4 takes their cost for the control cost.
    """

    arguments: ClassVar[Any] = {
        "forward_reward_weight": 1.0,
        "ctrl_cost_weight": 0.5,
        "use_contact_forces": True,
        "contact_cost_weight": 5e-4,
        "healthy_reward": 1.0,
        "main_body": "torso",
        "terminate_when_unhealthy": True,
        "healthy_z_range": (0.2, 1.0),
        "contact_force_range": (-1.0, 1.0),
        "reset_noise_scale": 0.1,
        "exclude_current_positions_from_observation": True,
        "include_cfrc_ext_in_observation": True,
        "cost_objective": True,
    }
    rows_per_thread = 2
    # Speed is that of the torso as the simulation last saw it, one simulation step behind its coordinates.
    compared = "xpos"
    normal_velocities = True
    unseen = 2

    def _gathered(self) -> tuple[str, ...]:
        return ("xpos", "cfrc_ext") if self._given["use_contact_forces"] else ("xpos",)

    def _forces(self, state: State) -> Floats:
        """Contact forces on all bodies, ``(r, bodies, 6)``."""
        return clipped(state["cfrc_ext"], *self._given["contact_force_range"])

    def _observe(self, state: State) -> Floats:
        seen = super()._observe(state)
        if not (self._has_contacts and self._given["include_cfrc_ext_in_observation"]):
            return seen
        # Nothing touches the world itself, which version 5 leaves out.
        forces = self._forces(state)[:, 0 if self._version < 5 else 1 :]
        return np.concatenate((seen, forces.reshape(len(seen), -1)), 1)

    def _judge(self, before: Floats, after: State, actions: npt.NDArray[Any]) -> Judgement:
        body = self._bodies.get(self._given["main_body"], self._given["main_body"])
        velocities = (after["xpos"][:, body, :2] - before[:, body, :2]) / self._seconds
        height, (low, high) = after["qpos"][:, 2], self._given["healthy_z_range"]
        finite = every(np.isfinite(after["qpos"])) & every(np.isfinite(after["qvel"]))
        alive, terminated = self._alive(finite & (low <= height) & (height <= high))
        cost = self._weighted(effort(actions))
        contact = None
        if self._has_contacts:
            contact = self._given["contact_cost_weight"] * effort(self._forces(after).reshape(len(cost), -1))
        if not self._is_vector:
            return (
                self._given["forward_reward_weight"] * velocities[:, 0] + alive - (cost if contact is None else cost + contact),
                terminated,
            )
        charged = contact if contact is not None and self._version < 5 else cost
        if self._given["cost_objective"]:
            rewards = objectives(*velocities.T, self._unweighted(charged))
        else:
            rewards = objectives(*velocities.T)
            rewards -= charged[:, None]
        # A Python float in version 4, which takes the precision of the rewards.
        rewards += (alive.astype(np.float32) if self._version < 5 else alive)[:, None]
        if contact is not None and self._version >= 5:
            rewards -= contact[:, None]
        return rewards, terminated
