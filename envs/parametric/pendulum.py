"""A pendulum to be swung up, with settable mass and length."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.drawing import BODY, GREY, INK, VERMILLION, Canvas, Plane
from envs.parameter_space import Parameter
from envs.parametric.classic_control import ClassicControl
from envs.protocols import Advanced, Rows

_MAX_SPEED = 8.0  # rad/s
_MAX_TORQUE = 2.0  # N m
_TIME_STEP = 0.05  # s


class Pendulum(ClassicControl):
    r"""``parametric/pendulum-v0``: gymnasium's ``Pendulum-v1``, whose rod has a mass :math:`m` and a length :math:`l`.

    .. math:: \dot\theta' = \dot\theta + \Big(\frac{3 g}{2 l} \sin\theta + \frac{3}{m l^2}\, u\Big)\,\Delta t ,
       \qquad \theta' = \theta + \dot\theta' \Delta t

    with the torque :math:`u` clipped to 2 N m and the speed to 8 rad/s; reward
    :math:`-(\theta^2 + 0.1 \dot\theta^2 + 0.001 u^2)` with :math:`\theta` from upright in :math:`[-\pi, \pi)`. Where gravity is
    stronger than the motor, the pendulum has to be swung up in several goes.

    Observation ``(cos, sin, speed)``, action ``(1,)``, float32. Episodes have 200 steps.
    """

    render_fps = 20
    parameters = (
        Parameter(name="mass", nominal=1.0, low=0.5, high=2.0, unit="kg"),
        Parameter(name="length", nominal=1.0, low=0.5, high=1.5, unit="m"),
    )
    observed = ((-1.0, -1.0, -_MAX_SPEED), (1.0, 1.0, _MAX_SPEED))
    rewarded = (-(np.pi**2 + 0.1 * _MAX_SPEED**2 + 0.001 * _MAX_TORQUE**2), 0.0)
    num_actions = None
    state_size = 2

    def __init__(
        self, num_envs: int, *, gravity: float = 10.0, horizon: int = 200, max_episode_steps: int | None = None
    ) -> None:
        """Set gravity and length of the episodes.

        Args:
            num_envs: Number of rows.
            gravity: In m/s^2.
            horizon: Length of an episode, steps.
            max_episode_steps: A shorter limit.
        """
        from gymnasium.spaces import Box

        super().__init__(num_envs, horizon=horizon, max_episode_steps=max_episode_steps)
        self._gravity = gravity
        self.action_space = Box(-_MAX_TORQUE, _MAX_TORQUE, shape=(1,), dtype=np.float32)

    def _draw(self, row: int, canvas: Canvas) -> None:
        mass, length = self._params[row]
        reach = 1.15 * max(1.5, length)
        plane = Plane(BODY, (-reach, -reach), (reach, reach))
        angle = self._state[row, 0]
        tip = length * np.array([-np.sin(angle), np.cos(angle)])
        hinge, end = plane([(0.0, 0.0), tip])
        canvas.disc(hinge, length * plane.scale, outline=GREY, width=0.5)
        canvas.line([hinge, end], VERMILLION, width=14 * np.clip(np.sqrt(mass), 0.3, 3.0))
        canvas.disc(hinge, 4, INK)

    def _start(self, rows: Rows) -> npt.NDArray[Any]:
        self._state[rows] = (2.0 * self._uniforms(rows, np.arange(2)) - 1.0) * [np.pi, 1.0]
        return self._observe(rows)

    def _observe(self, rows: Rows) -> npt.NDArray[Any]:
        angle, speed = self._state[rows].T
        return np.stack([np.cos(angle), np.sin(angle), speed], axis=-1).astype(np.float32)

    def _advance(self, rows: Rows, actions: npt.NDArray[Any]) -> Advanced:
        angle, speed = self._state[rows].T
        mass, length = self._params[rows].T
        torque = np.clip(actions[:, 0].astype(np.float64), -_MAX_TORQUE, _MAX_TORQUE)
        from_upright = (angle + np.pi) % (2.0 * np.pi) - np.pi
        rewards = -(from_upright**2 + 0.1 * speed**2 + 0.001 * torque**2)
        acceleration = 3.0 * self._gravity / (2.0 * length) * np.sin(angle) + 3.0 / (mass * length**2) * torque
        speed = np.clip(speed + acceleration * _TIME_STEP, -_MAX_SPEED, _MAX_SPEED)
        self._state[rows] = np.stack([angle + speed * _TIME_STEP, speed], axis=-1)
        return self._observe(rows), rewards[:, None].astype(np.float32), np.zeros(rows.shape, np.bool_)
