"""Minecart of mo-gymnasium with vectorised physics: mine two ores and bring them home on little fuel [Abels2019]_.

.. [Abels2019] A. Abels, D. Roijers, T. Lenaerts, A. Nowé, D. Steckelmacher. Dynamic Weights in Multi-Objective Deep
   Reinforcement Learning. ICML 2019.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.arrays import Flags, Floats, Integers
from envs.drawing import GREEN, GREY, INK, ORANGE, PANEL, SKY, SQUARE, VERMILLION, Box, Canvas, Plane, placed
from envs.drawn_env import DrawnEnv
from envs.native_env import NoNativeFormError
from envs.protocols import Advanced, Rows

_MINE, _LEFT, _RIGHT, _ACCELERATE, _BRAKE, _NUM_ACTIONS = 0, 1, 2, 3, 4, 6
_NUM_ORES = 2
_STANDSTILL = 0.001  # slower than this is at rest
_ROTATION = 10  # degrees per frame
_ACCELERATION, _DECELERATION, _MAX_SPEED = 0.0075, 1.0, 1.0
_MINE_RADIUS, _BASE_RADIUS = 0.14, 0.15
_FUEL_IDLE, _FUEL_ACCELERATE, _FUEL_MINE = -0.005, -0.025, -0.05

# Headings are whole degrees. Sliding along walls does not wrap them, but passing the corner at home ends the episode, so
# they stay within one turn of [0, 360). The tables hold the values of the scalar functions the original calls.
_TURNS = 3
_DEGREES = range(-360 * _TURNS, 360 * (_TURNS + 1))
_DIRECTION = np.array([[math.cos(a * math.pi / 180), math.sin(a * math.pi / 180)] for a in _DEGREES])
_HEADING = np.array([[math.sin(math.radians(a)), math.cos(math.radians(a))] for a in _DEGREES], np.float32)
_ZERO_DEGREES = 360 * _TURNS


class Minecart(DrawnEnv):
    """Native form of ``minecart-v0`` and ``minecart-deterministic-v0``.

    The same numbers as the original, step by step, where nothing is random. What a mine yields is drawn from the same normal
    distributions, cut at zero, but from the episode seed: the original draws from numpy's global state.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        image_observation: bool = False,
        frame_skip: int = 4,
        incremental_frane_skip: bool = True,
        config: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        """Read the configuration. The arguments are the original's, with its spelling.

        Args:
            num_envs: Number of rows.
            image_observation: Only False has a native form.
            frame_skip: Frames per step.
            incremental_frane_skip: Repeat the action frame by frame, instead of acting once, ``frame_skip`` times as much.
            config: Path of a JSON file with ``capacity``, ``ore_cnt``, ``mine_cnt`` and ``mines``; None for the stochastic
                mines of ``minecart-v0``.
            max_episode_steps: Episodes are truncated at this length.

        Raises:
            NoNativeFormError: Images are asked for, there are not two ores, or the file leaves mines to chance.
        """
        import gymnasium
        import mo_gymnasium.envs.minecart.minecart as original
        from gymnasium.spaces import Box

        super().__init__(num_envs, num_actions=_NUM_ACTIONS, max_episode_steps=max_episode_steps)
        if image_observation or frame_skip < 1:
            raise NoNativeFormError("minecart is native without images and with a positive frame_skip")
        path = Path(original.__file__).parent / "mine_config.json" if config is None else Path(config)
        data = json.loads(path.read_text(encoding="utf-8"))
        mines = data.get("mines", [])
        if data["ore_cnt"] != _NUM_ORES or len(mines) != data["mine_cnt"] or not all("distributions" in mine for mine in mines):
            raise NoNativeFormError(f"{path.name} must have two ores and place every mine with its distributions")
        self._mines = np.array([[mine["x"], mine["y"]] for mine in mines], np.float64)
        # What a mine yields per frame: (mines, ores) each.
        self._means, self._deviations = np.array([mine["distributions"] for mine in mines], np.float64).transpose(2, 0, 1)
        self._is_random = bool(self._deviations.any())
        self._capacity = float(data["capacity"])
        self._frames, self._repeats = (frame_skip, 1) if incremental_frane_skip else (1, frame_skip)

        turn, pedal = np.zeros(_NUM_ACTIONS, np.int64), np.zeros(_NUM_ACTIONS)
        turn[_LEFT], turn[_RIGHT] = -_ROTATION * self._repeats, _ROTATION * self._repeats
        pedal[_ACCELERATE], pedal[_BRAKE] = _ACCELERATION * self._repeats, -_DECELERATION * self._repeats
        self._turn, self._pedal = turn, pedal
        # Summed in single precision, as the original does.
        fuel = np.full(_NUM_ACTIONS, _FUEL_IDLE * frame_skip, np.float32)
        fuel[_ACCELERATE] += np.float32(_FUEL_ACCELERATE * frame_skip)
        fuel[_MINE] += np.float32(_FUEL_MINE * frame_skip)
        self._fuel = fuel

        self._position = np.zeros((num_envs, 2))
        self._speed = np.zeros(num_envs)
        self._degrees = np.zeros(num_envs, np.int64)
        self._content = np.zeros((num_envs, _NUM_ORES))
        self._departed = np.zeros(num_envs, np.bool_)

        self.observation_space = Box(-1.0, 1.0, shape=(7,), dtype=np.float32)
        self.action_space = gymnasium.spaces.Discrete(_NUM_ACTIONS)
        low, high = [0.0] * _NUM_ORES + [-1.0], [self._capacity] * _NUM_ORES + [0.0]
        self.reward_space = Box(low=np.array(low, np.float32), high=np.array(high, np.float32), dtype=np.float32)

    def _draw(self, row: int, canvas: Canvas) -> None:
        # As in the original, y grows downwards, so that the actions turn to the sides they are called after.
        plane, down = Plane(SQUARE, (-0.02, -1.02), (1.02, 0.02)), np.array([1.0, -1.0])
        quarter = np.linspace(0.0, np.pi / 2, 30)
        home = _BASE_RADIUS * np.stack([np.cos(quarter), np.sin(quarter)], axis=-1)
        canvas.polygon(plane([(0.0, 0.0), *(home * down)]), SKY)
        for mine in self._mines:
            canvas.disc(plane(mine * down), _MINE_RADIUS * plane.scale, (235, 235, 235), outline=GREY)
        for mine, (first, second) in zip(self._mines, self._means, strict=True):
            for text, below in ((f"ore 1: {first:.2g}", -4), (f"ore 2: {second:.2g}", 12)):
                canvas.text(plane(mine * down) + np.array([0, below]), text, size=12, anchor="ms")
        canvas.rectangle((*plane((0.0, 0.0)), *plane((1.0, -1.0))), outline=INK)
        heading = np.radians(self._degrees[row])
        cart = placed([(0.05, 0.0), (-0.03, 0.028), (-0.03, -0.028)], heading, self._position[row])
        canvas.polygon(plane(cart * down), VERMILLION)
        canvas.text((PANEL.left, PANEL.top), f"speed {self._speed[row]:.3f}", anchor="la")
        for ore, colour in enumerate((ORANGE, GREEN)):
            top = PANEL.top + 34 + 48 * ore
            held = self._content[row, ore]
            canvas.text((PANEL.left, top), f"ore {ore + 1} on board: {held:.2f}", anchor="la")
            canvas.bar(Box(PANEL.left, top + 20, PANEL.right, top + 32), held / self._capacity, colour)
        canvas.text((PANEL.left, PANEL.top + 136), f"room for {self._capacity:g} in all", anchor="la")

    def _start(self, rows: Rows) -> npt.NDArray[Any]:
        self._position[rows] = 0.0
        self._speed[rows] = 0.0
        self._degrees[rows] = 45
        self._content[rows] = 0.0
        self._departed[rows] = False
        return self._observe(self._position[rows], self._speed[rows], self._degrees[rows], self._content[rows])

    def _advance(self, rows: Rows, actions: npt.NDArray[Any]) -> Advanced:
        position, speed, degrees = self._position.take(rows, axis=0), self._speed[rows], self._degrees[rows]
        content, departed = self._content.take(rows, axis=0), self._departed[rows]
        turn, pedal = self._turn[actions], self._pedal[actions]
        turning, pedalling = turn != 0, pedal != 0
        seeking = np.flatnonzero(actions == _MINE)
        digging, yields = np.zeros(0, np.int64), np.zeros((0, self._frames * self._repeats, _NUM_ORES))
        ended = np.zeros(rows.shape, np.bool_)
        any_ended = False
        rewards = np.zeros((rows.size, _NUM_ORES + 1), np.float32)
        rewards[:, _NUM_ORES] = self._fuel[actions]

        for frame in range(self._frames):
            degrees = np.where(turning, (degrees + turn) % 360, degrees)
            speed = np.where(pedalling, _between(speed + pedal, _MAX_SPEED), speed)
            # A cart at rest stays where it is while it mines, so each is compared with the mines once per step.
            at_rest = speed[seeking] < _STANDSTILL
            if np.count_nonzero(at_rest):
                found, their_yields = self._find_mines(rows, seeking[at_rest], position)
                digging, yields = np.append(digging, found), np.append(yields, their_yields, axis=0)
                seeking = seeking[~at_rest]
            if digging.size:
                for repeat in range(self._repeats):
                    self._dig(digging, yields[:, frame * self._repeats + repeat], content)
            if any_ended:
                # The original still applies the action in the frame after the end, and only then stops.
                if ended.all():
                    break
                turning, pedalling = turning & ~ended, pedalling & ~ended
                seeking = seeking[~ended[seeking]]
                kept = ~ended[digging]
                digging, yields = digging[kept], yields[kept]
            for _ in range(self._repeats):
                moving = speed >= _STANDSTILL
                if any_ended:
                    moving &= ~ended
                position, speed, degrees = _roll(position, speed, degrees, moving)
            near = _length(position) < _BASE_RADIUS
            home = near & departed
            departed |= ~near
            if any_ended:
                home &= ~ended
            if np.count_nonzero(home):
                any_ended = True
                ended |= home
                rewards[home, :_NUM_ORES] += content[home].astype(np.float32)
                content[home] = 0.0

        self._position[rows], self._speed[rows], self._degrees[rows] = position, speed, degrees
        self._content[rows], self._departed[rows] = content, departed
        return self._observe(position, speed, degrees, content), rewards, ended

    def _find_mines(self, rows: Rows, seeking: Integers, position: Floats) -> tuple[Integers, Floats]:
        """Which of the carts ``seeking`` (indices into the step's arrays) reach their nearest mine, and what it will yield.

        Returns:
            Carts ``(c,)``, and their loads ``(c, frames, ores)``.
        """
        distances = _length(position.take(seeking, axis=0)[:, None, :] - self._mines)
        nearest = distances.argmin(-1)
        reached = distances.min(-1) <= _MINE_RADIUS
        carts, nearest = seeking[reached], nearest[reached]
        mean, deviation = self._means.take(nearest, axis=0)[:, None], self._deviations.take(nearest, axis=0)[:, None]
        loads = self._frames * self._repeats
        if self._is_random and carts.size:
            # The quantile function works element by element: what a row draws cannot depend on which rows dig with it.
            from scipy.special import ndtri

            chance = self._uniforms(rows[carts], np.arange(loads * _NUM_ORES)).reshape(-1, loads, _NUM_ORES)
            mean = ndtri(chance) * deviation + mean
        return carts, np.broadcast_to(np.maximum(mean, 0.0), (carts.size, loads, _NUM_ORES))

    def _dig(self, carts: Integers, load: Floats, content: Floats) -> None:
        """Add a load ``(c, ores)`` to the contents of carts, in place, scaled down to the capacity that is left."""
        held = content.take(carts, axis=0)
        free = self._capacity - (held[:, 0] + held[:, 1])
        total = load[:, 0] + load[:, 1]
        scale = np.divide(free, total, out=np.ones_like(total), where=total > free)
        content[carts] = held + load * scale[:, None]

    def _observe(self, position: Floats, speed: Floats, degrees: Integers, content: Floats) -> npt.NDArray[np.float32]:
        observations = np.empty((speed.size, 7), np.float32)
        observations[:, 0:2] = position
        observations[:, 2] = speed
        observations[:, 3:5] = _HEADING.take(degrees + _ZERO_DEGREES, axis=0)
        observations[:, 5:7] = content / self._capacity
        return observations


def _roll(position: Floats, speed: Floats, degrees: Integers, moving: Flags) -> tuple[Floats, Floats, Integers]:
    """Move carts by one frame on the unit square; one that meets a wall at an angle turns along it.

    Args:
        position: ``(r, 2)``, in ``[0, 1]``.
        speed: ``(r,)``, distance per frame.
        degrees: Headings, ``(r,)``.
        moving: Who moves, ``(r,)``; the others stay exactly as they are.

    Returns:
        New positions, speeds (the distance covered) and headings.
    """
    velocity = _DIRECTION.take(degrees + _ZERO_DEGREES, axis=0) * np.where(moving, speed, 0.0)[:, None]
    at_wall = (position == 0.0) | (position == 1.0)
    walled = np.flatnonzero((at_wall[:, 0] | at_wall[:, 1]) & moving)
    if walled.size:
        degrees = degrees.copy()
        degrees[walled] += _slide(position.take(walled, axis=0), velocity.take(walled, axis=0), at_wall.take(walled, axis=0))
    target = _between(position + velocity, 1.0)
    return target, np.where(moving, _length(position - target), speed), degrees


def _slide(position: Floats, velocity: Floats, at_wall: Flags) -> Integers:
    """Change of heading, in degrees ``(w,)``, of carts that touch a wall: towards the way they slide along it.

    ``pressed`` is +1 or -1 on an axis whose upper or lower wall is pushed, ``sliding`` the direction of a free axis.
    """
    pressed = (position == 1.0) * (velocity > 0) * 1 - (position == 0.0) * (velocity < 0) * 1
    sliding = np.sign(velocity) * (np.abs(velocity) > _STANDSTILL) * ~at_wall
    turned = pressed[:, 0] * sliding[:, 1] - pressed[:, 1] * sliding[:, 0]
    change: Integers = (_ROTATION * turned).astype(np.int64)
    return change


def _between(numbers: Floats, upper: float) -> Floats:
    """Clip to ``[0, upper]``: cheaper than ``np.clip``."""
    return np.minimum(np.maximum(numbers, 0.0), upper)


def _length(vectors: Floats) -> Floats:
    """Euclidean length over the last axis, by the routine that the original calls for a single vector."""
    lengths: Floats = np.sqrt(np.vecdot(vectors, vectors))
    return lengths
