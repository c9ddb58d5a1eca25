"""A car too weak for its hill, with settable engine and gravity."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.drawing import BLUE, BODY, GREEN, INK, Canvas, Plane, placed
from envs.parameter_space import Parameter
from envs.parametric.classic_control import ClassicControl
from envs.protocols import Advanced, Rows

_LEFT_END, _RIGHT_END, _GOAL = -1.2, 0.6, 0.5
_MAX_SPEED = 0.07


class MountainCar(ClassicControl):
    r"""``parametric/mountain-car-v0``: gymnasium's ``MountainCar-v0`` with settable force :math:`F` and gravity :math:`g`.

    .. math:: v' = v + (a - 1) F - g \cos(3 x), \qquad x' = x + v'

    with the speed clipped to 0.07 and the position to [-1.2, 0.6], where the car stops at the left end. Reward -1 per step,
    until the position is 0.5; at most 200 steps. Units are the original's: position per step.

    Observation ``(position, speed)`` float32. Actions: backwards, none, forwards.
    """

    render_fps = 30
    parameters = (
        Parameter(name="force", nominal=0.001, low=0.0007, high=0.0015),
        Parameter(name="gravity", nominal=0.0025, low=0.002, high=0.003),
    )
    observed = ((_LEFT_END, -_MAX_SPEED), (_RIGHT_END, _MAX_SPEED))
    rewarded = (-1.0, -1.0)
    num_actions = 3
    state_size = 2

    def __init__(self, num_envs: int, *, horizon: int = 200, max_episode_steps: int | None = None) -> None:
        """Set the length of the episodes.

        Args:
            num_envs: Number of rows.
            horizon: Greatest length of an episode, steps.
            max_episode_steps: A shorter limit.
        """
        super().__init__(num_envs, horizon=horizon, max_episode_steps=max_episode_steps)

    def _draw(self, row: int, canvas: Canvas) -> None:
        plane = Plane(BODY, (_LEFT_END, 0.0), (_RIGHT_END, 1.2))
        ground = np.linspace(_LEFT_END, _RIGHT_END, 100)
        canvas.line(plane(np.stack([ground, _height(ground)], axis=-1)), INK)
        foot, top, middle, tip = placed([(0.0, 0.0), (0.0, 0.17), (0.0, 0.11), (0.08, 0.14)], 0.0, (_GOAL, _height(_GOAL)))
        canvas.line(plane([foot, top]), INK, width=1)
        canvas.polygon(plane([top, middle, tip]), GREEN)
        position = self._state[row, 0]
        here, slope = (position, _height(position)), np.arctan(1.35 * np.cos(3 * position))
        canvas.polygon(plane(placed([(-0.065, 0.03), (0.065, 0.03), (0.045, 0.075), (-0.045, 0.075)], slope, here)), BLUE)
        for wheel in plane(placed([(-0.035, 0.02), (0.035, 0.02)], slope, here)):
            canvas.disc(wheel, 0.02 * plane.scale, INK)

    def _start(self, rows: Rows) -> npt.NDArray[Any]:
        self._state[rows] = 0.0
        self._state[rows, 0] = 0.2 * self._uniforms(rows) - 0.6
        return self._state[rows].astype(np.float32)

    def _advance(self, rows: Rows, actions: npt.NDArray[Any]) -> Advanced:
        position, speed = self._state[rows].T
        force, gravity = self._params[rows].T
        speed = np.clip(speed + (actions - 1) * force - gravity * np.cos(3 * position), -_MAX_SPEED, _MAX_SPEED)
        position = np.clip(position + speed, _LEFT_END, _RIGHT_END)
        speed = np.where((position == _LEFT_END) & (speed < 0), 0.0, speed)
        self._state[rows] = state = np.stack([position, speed], axis=-1)
        terminated = np.asarray((position >= _GOAL) & (speed >= 0))
        return state.astype(np.float32), np.full((len(rows), 1), -1.0, np.float32), terminated


def _height(position: Any) -> Any:
    """Of the ground, as gymnasium draws it."""
    return 0.45 * np.sin(3.0 * position) + 0.55
