"""A walking robot that covers a field."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, TypeAlias

import gymnasium
import numpy as np
import numpy.typing as npt
import torch

from envs.arguments import whole
from envs.arrays import Floats
from envs.coverage.gain_rewards import GainRewards, gain_space
from envs.coverage.grids import GridMap
from envs.coverage.pictures import explain_shades, value_lines
from envs.coverage.set_functions.coverage import Coverage
from envs.coverage.set_functions.set_function import SetFunction, require_set_function, restart
from envs.drawing import GREY, INK, PANEL, SQUARE, Box, Canvas, Plane, marker, placed, shades
from envs.mujoco.batch import Judgement, MuJoCoBatch, State
from envs.native_env import shorter
from envs.protocols import Advanced, Rows

Anchor: TypeAlias = Literal["corner", "centre"]
"""Where in its window the robot is: in the corner of lowest coordinates, or in the middle."""

_HALF_SIDE = 20.0  # of the field, metres
_CELL = 0.4  # side of a cell, metres
_CELLS = 100  # per side
_WINDOW = 5  # cells per side
_WORTH = 0.1  # of a cell
_BLOCKS = 10  # per side of the coarse map in the summary


class Ant(MuJoCoBatch, GainRewards):
    """``coverage/ant-v0``: gymnasium's ``Ant-v5`` has to walk over as much of a field of 40 m by 40 m as it can.

    It sees a window of 5 by 5 cells of 0.4 m; a cell that is seen for the first time is worth 0.1. Leaving the field ends the
    episode, falling over does not. Episodes terminate after ``horizon`` steps of 0.05 s: the step number is part of the state.

    Observations, float32: positions (``x`` and ``y`` in units of half the field) and velocities, 29 numbers, and the step as a
    part of the horizon (``"markov"``); and how much was seen of each of 10 by 10 blocks of the field (``"summary"``). Needs the
    extra ``mujoco``.
    """

    arguments: ClassVar[Any] = {"reset_noise_scale": 0.1}
    compared = None
    normal_velocities = True

    def __init__(
        self,
        num_envs: int,
        *,
        horizon: int = 400,
        anchor: Anchor = "corner",
        observation: Literal["markov", "summary"] = "markov",
        set_function: SetFunction | None = None,
        vector_reward: bool = False,
        max_episode_steps: int | None = None,
    ) -> None:
        """Build field and robots.

        Args:
            num_envs: Number of rows.
            horizon: Actions per episode, at least 1.
            anchor: Where in its window the robot is; the published task has it in the corner.
            observation: See the class.
            set_function: Over the 100 x 100 cells, row by row (``x`` first), in place of the area seen.
            vector_reward: Pay gymnasium an array ``(1,)`` also if there is one objective, in place of a number.
            max_episode_steps: Episodes are truncated at this length.

        Raises:
            ValueError: An argument is out of range.
        """
        horizon = whole("horizon", horizon, least=1)
        if anchor not in ("corner", "centre"):
            raise ValueError(f"anchor is {anchor!r}; expected corner or centre")
        if observation not in ("markov", "summary"):
            raise ValueError(f"observation is {observation!r}; expected markov or summary")
        window = np.arange(_WINDOW) - (0 if anchor == "corner" else _WINDOW // 2)
        self.grid = grid = GridMap.without_walls(_CELLS, _CELLS)
        """Cells of the field."""
        if set_function is None:
            offsets = np.stack(np.meshgrid(window, window, indexing="ij"), -1).reshape(-1, 2)
            set_function = Coverage(grid.neighbours(offsets), np.full(_CELLS**2, _WORTH, np.float32))
        require_set_function(set_function, _CELLS**2)
        if set_function.num_elements != _CELLS**2:
            raise ValueError(f"set_function has {set_function.num_elements} elements; expected one for each of {_CELLS**2}")
        super().__init__(
            num_envs, original="gymnasium.envs.mujoco.ant_v5:AntEnv", max_episode_steps=shorter(None, max_episode_steps)
        )
        self.reward_space = gain_space(set_function.singletons())
        self._take(set_function, horizon, vector_reward=vector_reward)
        self._largest_gains = self.reward_space.high
        self._summary = observation == "summary"
        size = self._model.nq + self._model.nv + 1 + (_BLOCKS**2 if self._summary else 0)
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, shape=(size,), dtype=np.float32)
        self.cells = np.zeros(num_envs, np.int64)
        """The cell that each row's robot is in, ``(R,)``."""
        self._acting = np.zeros(0, np.int64)

    def _draw(self, row: int, canvas: Canvas) -> None:
        """The field from above: ``x`` to the right, ``y`` upwards."""
        plane = Plane(SQUARE, (-_HALF_SIDE, -_HALF_SIDE), (_HALF_SIDE, _HALF_SIDE))
        box = Box(*plane((-_HALF_SIDE, _HALF_SIDE)), *plane((_HALF_SIDE, -_HALF_SIDE)))
        canvas.paste(shades(self._left_to_gain(row).reshape(_CELLS, _CELLS).T[::-1]), box)
        canvas.rectangle(box, outline=GREY)
        position = self._views["qpos"][row]
        # The way the torso looks, from its orientation as a quaternion.
        w, x, y, z = position[3:7]
        yaw = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
        here, ahead = plane(placed([(0.0, 0.0), (1.6, 0.0)], yaw, position[:2]))
        canvas.line([here, ahead], INK, width=3)
        marker(canvas, here, 5)
        texts = [f"x {position[0]:.1f} m, y {position[1]:.1f} m", f"height {position[2]:.2f} m"]
        canvas.lines((PANEL.left, PANEL.top), value_lines(self.values[row]) + texts)
        explain_shades(canvas)

    def _start(self, rows: Rows) -> Floats:
        self._acting = rows
        super()._start(rows)
        state = self._states(rows.tolist())
        restart(self._state, torch.from_numpy(rows), self._fresh)
        self._visit(rows, state["qpos"])
        return self._observe(state)

    def _advance(self, rows: Rows, actions: npt.NDArray[Any]) -> Advanced:
        self._acting = rows
        return super()._advance(rows, actions)

    def _judge(self, before: Floats, after: State, actions: npt.NDArray[Any]) -> Judgement:
        rows, positions = self._acting, after["qpos"]
        outside = (np.abs(positions[:, :2]) > _HALF_SIDE).any(1)
        rewards = np.zeros((rows.size, self.set_function.num_objectives), np.float32)
        rewards[~outside] = self._visit(rows[~outside], positions[~outside])
        return rewards, outside | (self._elapsed[rows] >= self.horizon)

    def _visit(self, rows: Rows, positions: Floats) -> npt.NDArray[np.float32]:
        """Let robots see their windows; returns the gains ``(r, m)``."""
        places = np.clip(((positions[:, :2] + _HALF_SIDE) / _CELL).astype(np.int64), 0, _CELLS - 1)
        self.cells[rows] = places @ [_CELLS, 1]
        return self._gain(rows, self.cells[rows])

    def _observe(self, state: State) -> Floats:
        rows, positions = self._acting, state["qpos"]
        parts = [positions[:, :2] / _HALF_SIDE, positions[:, 2:], state["qvel"], self._elapsed[rows, None] / self.horizon]
        if self._summary:
            seen = self.set_function.summary(self._state, torch.from_numpy(rows)).numpy()
            width = _CELLS // _BLOCKS
            blocks = seen.reshape(rows.size, _BLOCKS, width, _BLOCKS, width)
            parts.append(blocks.mean((2, 4)).reshape(rows.size, -1))
        return np.concatenate(parts, 1).astype(np.float32)
