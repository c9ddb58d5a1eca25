r"""A small racing car that covers a track."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from envs.arguments import whole
from envs.arrays import Floats
from envs.coverage.gain_rewards import GainRewards, gain_space
from envs.coverage.pictures import explain_shades, value_lines
from envs.coverage.race_track import RaceTrack
from envs.coverage.set_functions.facility_location import FacilityLocation
from envs.coverage.set_functions.set_function import SetFunction, require_set_function, restart
from envs.drawing import GREY, INK, PANEL, SQUARE, VERMILLION, Canvas, Plane, placed, shades
from envs.protocols import Advanced, Rows

_MASS, _INERTIA = 0.041, 27.8e-6  # kg, kg m^2
_FRONT, _REAR = 0.029, 0.033  # m, from the centre of gravity to the axles
_MOTOR, _MOTOR_SPEED, _ROLLING, _DRAG = 0.287, 0.054527, 0.051891, 0.000348  # N, N s/m, N, N s^2/m^2
_FRONT_TYRE = (2.579, 1.2, 1.05 * 0.192)  # B, C, D (N) of the tyre curve
_REAR_TYRE = (3.3852 / 1.2, 1.2691, 1.2 * 0.1737)
_STEERING = 0.35  # rad at full lock
_STEP, _SUBSTEPS = 0.03, 3  # s
_SLOW, _BLEND = 0.3, 0.2  # m/s: below the first the wheels do not slip, above the sum the tyre model rules
_BIN = 0.01  # m
_PIECES = 240  # of the track in pictures
_PREVIEW = np.array([0.0, 0.4, 0.8])  # m ahead


class Car(GainRewards):
    r"""``coverage/car-v0``: a car at scale 1:43 has to see as much of a race track as it can: to drive a lap.

    Progress is a set function of places: the farthest one, in metres along the centre line; going back and forth adds nothing.
    Leaving the track or finishing the lap ends the episode; episodes terminate after ``horizon`` steps of 0.03 s.

    State: place :math:`s` along and :math:`d` across the centre line (left is positive), heading :math:`\mu` against it, speeds
    :math:`v_x, v_y`, yaw rate :math:`r`; with throttle :math:`T`, steering angle :math:`\delta` and curvature :math:`\kappa`:

    .. math::
        \dot s = \frac{v_x \cos\mu - v_y \sin\mu}{1 - d\,\kappa(s)}, \quad
        \dot d = v_x \sin\mu + v_y \cos\mu, \quad \dot\mu = r - \kappa(s) \dot s

        m \dot v_x = F_x - F_f \sin\delta + m v_y r, \quad m \dot v_y = F_r + F_f \cos\delta - m v_x r, \quad
        I \dot r = F_f l_f \cos\delta - F_r l_r

        F_x = (C_1 - C_2 v_x) T - C_3 - C_4 v_x^2, \quad F_{f, r} = D \sin(C \arctan(B \alpha_{f, r}))

        \alpha_f = \delta - \arctan\frac{v_y + l_f r}{v_x}, \quad \alpha_r = \arctan\frac{l_r r - v_y}{v_x}

    At walking pace the wheels roll without slipping, :math:`r = v_x \tan\delta / (l_f + l_r)` and :math:`v_y = l_r r`; between
    0.3 and 0.5 m/s the two are blended. The car does not drive backwards.

    Observation, ``(10,)`` float32: :math:`s` in laps, :math:`d` in half widths, :math:`\mu, v_x, v_y, r / 10`, the step as a
    part of the horizon, and the curvature here, 0.4 m and 0.8 m ahead. Action: throttle and steering (full lock 0.35 rad), each
    in ``[-1, 1]``.

    Source:
        Liniger, Domahidi, Morari, Optimization-based autonomous racing of 1:43 scale RC cars, 2015 (model); parameters, step,
        and length of the lap as in the published submodular task, whose track and private packages are not used.
    """

    render_fps = round(1 / _STEP)

    def __init__(
        self,
        num_envs: int,
        *,
        instance_seed: int = 0,
        length: float = 16.4,
        half_width: float = 0.2,
        horizon: int = 700,
        set_function: SetFunction | None = None,
        vector_reward: bool = False,
        max_episode_steps: int | None = None,
    ) -> None:
        """Build track and cars.

        Args:
            num_envs: Number of rows.
            instance_seed: Which track.
            length: Of the lap, metres.
            half_width: Of the track, metres.
            horizon: Actions per episode, at least 1.
            set_function: Over places every centimetre, the start and the finish included, in place of the progress.
            vector_reward: Pay gymnasium an array ``(1,)`` also if there is one objective, in place of a number.
            max_episode_steps: Episodes are truncated at this length.

        Raises:
            ValueError: A number is out of range.
        """
        from gymnasium.spaces import Box

        horizon = whole("horizon", horizon, least=1)
        super().__init__(num_envs, num_actions=None, max_episode_steps=max_episode_steps)
        self.track = RaceTrack.random(instance_seed, length=length, half_width=half_width)
        places = _BIN * np.arange(round(length / _BIN) + 1)
        if set_function is None:
            set_function = FacilityLocation(places[:, None].astype(np.float32))
        require_set_function(set_function, places.size)
        if set_function.num_elements != places.size:
            raise ValueError(
                f"set_function has {set_function.num_elements} elements; expected one for each of {places.size} places"
            )
        self._take(set_function, horizon, vector_reward=vector_reward)
        self.observation_space = Box(-np.inf, np.inf, shape=(7 + _PREVIEW.size,), dtype=np.float32)
        self.action_space = Box(-1.0, 1.0, shape=(2,), dtype=np.float32)
        self.reward_space = gain_space(set_function.singletons())
        self._largest_gains = self.reward_space.high
        self.state = np.zeros((num_envs, 6))
        """``s, d, mu, vx, vy, r`` of each row, ``(R, 6)``."""

    def _draw(self, row: int, canvas: Canvas) -> None:
        edge = self.track.half_width
        low, high = self.track.line.min(0) - edge, self.track.line.max(0) + edge
        plane = Plane(SQUARE, (low[0], low[1]), (high[0], high[1]))
        left = self._left_to_gain(row)
        ends = np.linspace(0.0, self.track.length, _PIECES + 1)
        inner, outer = (plane(self.track.position(ends, side)) for side in (edge, -edge))
        colours = shades(left[np.linspace(0, len(left) - 1, _PIECES).astype(np.int64)])
        for piece, (red, green, blue) in enumerate(colours.tolist()):
            canvas.polygon([*inner[piece : piece + 2], *outer[piece : piece + 2][::-1]], (red, green, blue))
        for border in (inner, outer):
            canvas.line(border, GREY, width=1)
        canvas.line([inner[0], outer[0]], INK, width=3)
        place, across, heading, speed = self.state[row, :4]
        here = self.track.position(np.array([place]), across)[0]
        car = [(0.16, 0.0), (-0.1, 0.09), (-0.1, -0.09)]  # larger than it is, to be seen
        canvas.polygon(plane(placed(car, self.track.direction(place) + heading, here)), VERMILLION)
        texts = [f"{place:.2f} m of {self.track.length:g} m driven", f"speed {speed:.2f} m/s"]
        canvas.lines((PANEL.left, PANEL.top), value_lines(self.values[row]) + texts)
        explain_shades(canvas)

    def _start(self, rows: Rows) -> npt.NDArray[Any]:
        self.state[rows] = 0.0
        side = 0.5 * self.track.half_width
        self.state[rows, 1] = np.where(self._uniforms(rows) < 0.5, side, -side)
        restart(self._state, torch.from_numpy(rows), self._fresh)
        self._visit(rows)
        return self._observe(rows)

    def _advance(self, rows: Rows, actions: npt.NDArray[Any]) -> Advanced:
        throttle, steering = np.clip(actions, -1.0, 1.0).astype(np.float64).T
        self.state[rows] = drive(self.state[rows], throttle, _STEERING * steering, self.track)
        place, across = self.state[rows, 0], self.state[rows, 1]
        ended = (np.abs(across) > self.track.half_width) | (place >= self.track.length)
        return self._observe(rows), self._visit(rows), ended | (self._elapsed[rows] >= self.horizon)

    def _visit(self, rows: Rows) -> npt.NDArray[np.float32]:
        places = np.clip(self.state[rows, 0] / _BIN, 0, self.set_function.num_elements - 1).astype(np.int64)
        return self._gain(rows, places)

    def _observe(self, rows: Rows) -> npt.NDArray[Any]:
        state = self.state[rows]
        ahead = self.track.curvature(state[:, :1] + _PREVIEW)
        scaled = state / [self.track.length, self.track.half_width, 1.0, 1.0, 1.0, 10.0]
        time = self._elapsed[rows, None] / self.horizon
        return np.concatenate([scaled, time, ahead], 1).astype(np.float32)


def drive(state: Floats, throttle: Floats, steering: Floats, track: RaceTrack) -> Floats:
    """Drive for one step of 0.03 s, by the classical Runge-Kutta method.

    Args:
        state: ``s, d, mu, vx, vy, r``, ``(r, 6)``.
        throttle: In ``[-1, 1]``, ``(r,)``.
        steering: Angle of the wheels, rad, ``(r,)``.
        track: The track.

    Returns:
        The state afterwards, ``(r, 6)``.
    """
    h = _STEP / _SUBSTEPS
    for _ in range(_SUBSTEPS):
        k1 = slopes(state, throttle, steering, track)
        k2 = slopes(state + h / 2 * k1, throttle, steering, track)
        k3 = slopes(state + h / 2 * k2, throttle, steering, track)
        k4 = slopes(state + h * k3, throttle, steering, track)
        state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        speed = np.maximum(state[:, 3], 0.0)
        slipping = np.clip((speed - _SLOW) / _BLEND, 0.0, 1.0)
        turning = speed * np.tan(steering) / (_FRONT + _REAR)
        state[:, 3] = speed
        state[:, 4] = slipping * state[:, 4] + (1.0 - slipping) * _REAR * turning
        state[:, 5] = slipping * state[:, 5] + (1.0 - slipping) * turning
    return state


def slopes(state: Floats, throttle: Floats, steering: Floats, track: RaceTrack) -> Floats:
    """Time derivative of the state, ``(r, 6)``: the equations of :class:`Car`."""
    place, across, heading, forward, sideways, turning = state.T
    curvature = track.curvature(place)
    along = (forward * np.cos(heading) - sideways * np.sin(heading)) / (1.0 - across * curvature)
    # Slip angles make no sense for a car that stands; the blend takes over there.
    rolling = np.maximum(forward, _SLOW)
    front = _tyre(steering - np.arctan2(sideways + _FRONT * turning, rolling), _FRONT_TYRE)
    rear = _tyre(np.arctan2(_REAR * turning - sideways, rolling), _REAR_TYRE)
    push = (_MOTOR - _MOTOR_SPEED * forward) * throttle - _ROLLING - _DRAG * forward**2
    return np.stack(
        [
            along,
            forward * np.sin(heading) + sideways * np.cos(heading),
            turning - curvature * along,
            (push - front * np.sin(steering)) / _MASS + sideways * turning,
            (rear + front * np.cos(steering)) / _MASS - forward * turning,
            (front * _FRONT * np.cos(steering) - rear * _REAR) / _INERTIA,
        ],
        1,
    )


def _tyre(slip: Floats, curve: tuple[float, float, float]) -> Floats:
    b, c, d = curve
    return d * np.sin(c * np.arctan(b * slip))
