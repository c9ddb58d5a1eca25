"""Two links to be swung up by a motor between them, with settable masses and torque."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from envs.drawing import BLUE, BODY, GREY, INK, ORANGE, VERMILLION, Canvas, Plane
from envs.parameter_space import Parameter
from envs.parametric.classic_control import ClassicControl
from envs.protocols import Advanced, Rows

_GRAVITY = 9.8  # m/s^2
_LENGTH = 1.0  # m
_CENTRE = 0.5  # m from the joint
_INERTIA = 1.0  # m^2 per mass: moment of inertia of a link is 1 kg m^2 at 1 kg
_TIME_STEP = 0.2  # s
_MAX_SPEEDS = np.array([4.0, 9.0]) * np.pi  # rad/s
_LARGEST = np.array([1.0, 1.0, 1.0, 1.0, *_MAX_SPEEDS])
_GOAL_HEIGHT = 1.0  # m


class Acrobot(ClassicControl):
    r"""``parametric/acrobot-v0``: gymnasium's ``Acrobot-v1``, whose links have masses and whose motor has a torque.

    With angles :math:`\theta_1` from hanging down and :math:`\theta_2` relative to the first link, length :math:`l = 1` m,
    centres of mass at :math:`c = l/2`, moments of inertia :math:`I_i = m_i` m², and torque :math:`\tau`:

    .. math::
       d_1 &= m_1 c^2 + m_2 (l^2 + c^2 + 2 l c \cos\theta_2) + I_1 + I_2, \quad d_2 = m_2 (c^2 + l c \cos\theta_2) + I_2

       \phi_2 &= m_2 c g \sin(\theta_1 + \theta_2), \quad
       \phi_1 = -m_2 l c \dot\theta_2 (\dot\theta_2 + 2 \dot\theta_1) \sin\theta_2 + (m_1 c + m_2 l) g \sin\theta_1 + \phi_2

       \ddot\theta_2 &= \frac{\tau + \phi_1 d_2 / d_1 - m_2 l c \dot\theta_1^2 \sin\theta_2 - \phi_2}
       {m_2 c^2 + I_2 - d_2^2 / d_1}, \quad \ddot\theta_1 = -\frac{d_2 \ddot\theta_2 + \phi_1}{d_1}

    by one Runge-Kutta step of fourth order. Reward -1 per step until the tip is 1 m above the joint at the top, then 0; at most
    500 steps. Inertia follows the mass (the original's are constants).

    Observation: cosine and sine of both angles, both speeds, float32. Actions: torque to one side, none, to the other.

    Source:
        Sutton and Barto 2018, section 11.3 of the first edition. Deviations: gymnasium's, whose numbers these are.
    """

    render_fps = 15
    parameters = (
        Parameter(name="mass_1", nominal=1.0, low=0.5, high=2.0, unit="kg"),
        Parameter(name="mass_2", nominal=1.0, low=0.5, high=2.0, unit="kg"),
        Parameter(name="torque", nominal=1.0, low=0.5, high=2.0, unit="N m"),
    )
    observed = (-_LARGEST, _LARGEST)
    rewarded = (-1.0, 0.0)
    num_actions = 3
    state_size = 4

    def _draw(self, row: int, canvas: Canvas) -> None:
        reach = 2.2 * _LENGTH
        plane = Plane(BODY, (-reach, -reach), (reach, reach))
        first, second = self._state[row, :2]
        elbow = _LENGTH * np.array([np.sin(first), -np.cos(first)])
        tip = elbow + _LENGTH * np.array([np.sin(first + second), -np.cos(first + second)])
        joint, middle, end = plane(np.array([(0.0, 0.0), elbow, tip]))
        canvas.line(plane([(-reach, _GOAL_HEIGHT), (reach, _GOAL_HEIGHT)]), GREY, width=1)
        canvas.text(plane((-reach, _GOAL_HEIGHT)) - [0, 4], "the tip has to get up here", size=12, colour=GREY)
        for start, stop, mass in ((joint, middle, self._params[row, 0]), (middle, end, self._params[row, 1])):
            canvas.line([start, stop], BLUE, width=12 * np.clip(np.sqrt(mass), 0.3, 3.0))
        canvas.disc(joint, 5, INK)
        canvas.disc(middle, 5, ORANGE)
        canvas.disc(end, 5, VERMILLION)

    def _start(self, rows: Rows) -> npt.NDArray[Any]:
        self._state[rows] = 0.2 * self._uniforms(rows, np.arange(4)) - 0.1
        return self._observe(rows)

    def _observe(self, rows: Rows) -> npt.NDArray[Any]:
        angles, speeds = np.hsplit(self._state[rows], 2)
        turned = np.stack([np.cos(angles), np.sin(angles)], axis=-1).reshape(len(rows), 4)
        return np.concatenate([turned, speeds], axis=-1).astype(np.float32)

    def _advance(self, rows: Rows, actions: npt.NDArray[Any]) -> Advanced:
        mass_1, mass_2, torque = self._params[rows].T
        push = torque * (actions.astype(np.float64) - 1.0)
        state = self._state[rows]
        k1 = _derivative(state, mass_1, mass_2, push)
        k2 = _derivative(state + _TIME_STEP / 2 * k1, mass_1, mass_2, push)
        k3 = _derivative(state + _TIME_STEP / 2 * k2, mass_1, mass_2, push)
        k4 = _derivative(state + _TIME_STEP * k3, mass_1, mass_2, push)
        state = state + _TIME_STEP / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        angles = (state[:, :2] + np.pi) % (2 * np.pi) - np.pi
        speeds = np.clip(state[:, 2:], -_MAX_SPEEDS, _MAX_SPEEDS)
        self._state[rows] = np.concatenate([angles, speeds], axis=-1)
        terminated = np.asarray(-np.cos(angles[:, 0]) - np.cos(angles.sum(axis=-1)) > _GOAL_HEIGHT / _LENGTH)
        return self._observe(rows), np.where(terminated, 0.0, -1.0).astype(np.float32)[:, None], terminated


def _derivative(state: Floats, mass_1: Floats, mass_2: Floats, push: Floats) -> Floats:
    """Time derivative of ``(angle 1, angle 2, speed 1, speed 2)``, all ``(r, 4)``."""
    angle_1, angle_2, speed_1, speed_2 = state.T
    cosine, sine = np.cos(angle_2), np.sin(angle_2)
    inertia_1, inertia_2 = _INERTIA * mass_1, _INERTIA * mass_2
    d1 = mass_1 * _CENTRE**2 + mass_2 * (_LENGTH**2 + _CENTRE**2 + 2 * _LENGTH * _CENTRE * cosine) + inertia_1 + inertia_2
    d2 = mass_2 * (_CENTRE**2 + _LENGTH * _CENTRE * cosine) + inertia_2
    phi2 = mass_2 * _CENTRE * _GRAVITY * np.sin(angle_1 + angle_2)
    coupling = mass_2 * _LENGTH * _CENTRE * sine
    gravity = (mass_1 * _CENTRE + mass_2 * _LENGTH) * _GRAVITY * np.sin(angle_1)
    phi1 = -coupling * speed_2 * (speed_2 + 2 * speed_1) + gravity + phi2
    change_2 = (push + d2 / d1 * phi1 - coupling * speed_1**2 - phi2) / (mass_2 * _CENTRE**2 + inertia_2 - d2**2 / d1)
    change_1 = -(d2 * change_2 + phi1) / d1
    return np.stack([speed_1, speed_2, change_1, change_2], axis=-1)
