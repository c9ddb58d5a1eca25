"""A pole to be balanced on a cart, with settable pole length and motor force."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.drawing import BODY, GREY, INK, ORANGE, SKY, Canvas, Plane, placed
from envs.parameter_space import Parameter
from envs.parametric.classic_control import ClassicControl
from envs.protocols import Advanced, Rows

_GRAVITY = 9.8  # m/s^2
_POLE_MASS = 0.1  # kg
_TOTAL_MASS = 1.0 + _POLE_MASS  # kg
_TIME_STEP = 0.02  # s
_TRACK = 2.4  # m
_ANGLE = 12 * 2 * np.pi / 360  # rad


class CartPole(ClassicControl):
    r"""``parametric/cartpole-v0``: gymnasium's ``CartPole-v1``, whose pole has a length and whose motor a force.

    With half the pole's length :math:`l`, masses :math:`m` of the pole and :math:`M` of both, and the force :math:`\pm F`:

    .. math:: t = \frac{\pm F + m l \dot\theta^2 \sin\theta}{M}, \qquad
       \ddot\theta = \frac{g \sin\theta - t \cos\theta}{l\,(4/3 - m \cos^2\theta / M)}, \qquad
       \ddot x = t - \frac{m l \ddot\theta \cos\theta}{M}

    by Euler's explicit method. Reward 1 per step, until the pole is 12 degrees from upright or the cart 2.4 m from the
    middle; at most 500 steps. The pole's mass does not depend on its length.

    Observation ``(position, speed, angle, angular speed)`` float32; action 0 pushes left, 1 right.
    """

    render_fps = 50
    parameters = (
        Parameter(name="pole_length", nominal=1.0, low=0.4, high=3.0, unit="m"),
        Parameter(name="force", nominal=10.0, low=3.0, high=20.0, unit="N"),
    )
    observed = ((-2 * _TRACK, -np.inf, -2 * _ANGLE, -np.inf), (2 * _TRACK, np.inf, 2 * _ANGLE, np.inf))
    rewarded = (1.0, 1.0)
    num_actions = 2
    state_size = 4

    def _draw(self, row: int, canvas: Canvas) -> None:
        length = self._params[row, 0]
        plane = Plane(BODY, (-_TRACK - 0.2, -0.35), (_TRACK + 0.2, max(1.5, length) + 0.2))
        position, _, angle, _ = self._state[row]
        canvas.line(plane([(-_TRACK, -0.15), (_TRACK, -0.15)]), INK, width=1)
        for end in (-_TRACK, _TRACK):
            canvas.line(plane([(end, -0.25), (end, -0.05)]), GREY)
        cart = placed([(-0.25, -0.15), (0.25, -0.15), (0.25, 0.1), (-0.25, 0.1)], 0.0, (position, 0.0))
        canvas.polygon(plane(cart), INK)
        hinge, tip = plane(placed([(0.0, 0.0), (0.0, length)], -angle, (position, 0.0)))
        canvas.line([hinge, tip], ORANGE, width=9)
        canvas.disc(hinge, 4, SKY)

    def _start(self, rows: Rows) -> npt.NDArray[Any]:
        self._state[rows] = 0.1 * self._uniforms(rows, np.arange(4)) - 0.05
        return self._state[rows].astype(np.float32)

    def _advance(self, rows: Rows, actions: npt.NDArray[Any]) -> Advanced:
        position, speed, angle, turning = self._state[rows].T
        pole_length, force = self._params[rows].T
        half = 0.5 * pole_length
        push = np.where(actions == 1, force, -force)
        cosine, sine = np.cos(angle), np.sin(angle)
        t = (push + _POLE_MASS * half * np.square(turning) * sine) / _TOTAL_MASS
        turning_change = (_GRAVITY * sine - cosine * t) / (half * (4.0 / 3.0 - _POLE_MASS * np.square(cosine) / _TOTAL_MASS))
        speed_change = t - _POLE_MASS * half * turning_change * cosine / _TOTAL_MASS
        state = np.stack(
            [
                position + _TIME_STEP * speed,
                speed + _TIME_STEP * speed_change,
                angle + _TIME_STEP * turning,
                turning + _TIME_STEP * turning_change,
            ],
            axis=-1,
        )
        self._state[rows] = state
        terminated = (np.abs(state[:, 0]) > _TRACK) | (np.abs(state[:, 2]) > _ANGLE)
        return state.astype(np.float32), np.ones((len(rows), 1), np.float32), terminated
