"""Four room of mo-gymnasium by its rules: collect shapes on the way to the goal.

Its tables would have a state per cell and subset of collected shapes (692 224 for the usual maze), so the rows carry a
position and the flags instead.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.arrays import Integers
from envs.drawing import BLUE, BODY, GREEN, GREY, PAPER, PURPLE, YELLOW, Board, Canvas, readable_on
from envs.drawn_env import DrawnEnv
from envs.native_env import NoNativeFormError
from envs.protocols import Advanced, Rows
from envs.tabular.tables import grid_moves

_MOVES = np.array([[0, -1], [-1, 0], [0, 1], [1, 0]])  # left, up, right, down
_SHAPES = ("1", "2", "3")
_SHAPE_COLOURS = np.array([BLUE, PURPLE, YELLOW], np.uint8)
_OTHER_SHAPES = ("0", "4", "5", "6", "7", "8", "9")


class FourRoom(DrawnEnv):
    """Native form of ``four-room-v0``.

    Where the maze has several starts, the original picks one with Python's global random state; here the episode seed does.
    """

    def __init__(self, num_envs: int, *, maze: npt.NDArray[Any] | None = None, max_episode_steps: int | None = None) -> None:
        """Read the maze.

        Args:
            num_envs: Number of rows.
            maze: Cells as characters, ``(height, width)``: ``G`` goal, ``_`` start, ``X`` wall, ``1 2 3`` shapes; None for
                the environment's own.
            max_episode_steps: Episodes are truncated at this length.

        Raises:
            NoNativeFormError: The maze lacks a start or a single goal, or holds shapes the original cannot reward.
        """
        from gymnasium.spaces import Box, Discrete
        from mo_gymnasium.envs.four_room.four_room import MAZE

        super().__init__(num_envs, num_actions=len(_MOVES), max_episode_steps=max_episode_steps)
        maze = np.asarray(MAZE if maze is None else maze)
        if maze.ndim != 2 or (maze == "G").sum() != 1 or not (maze == "_").any() or np.isin(maze, _OTHER_SHAPES).any():
            raise NoNativeFormError("the maze needs one goal G, a start _ and no shapes other than 1, 2 and 3")
        height, width = maze.shape
        cells = maze.reshape(-1)
        # The environment numbers shapes, and lists starts, column by column.
        column_major = np.arange(maze.size).reshape(maze.shape).T.reshape(-1)
        shape_cells = column_major[np.isin(cells[column_major], _SHAPES)]
        num_shapes = shape_cells.size

        # One column of flags per event a cell can hold: its shape, the goal (never taken), or nothing (always taken).
        self._goal, self._nothing = num_shapes, num_shapes + 1
        self._event = np.full(maze.size, self._nothing)
        self._event[shape_cells] = np.arange(num_shapes)
        self._event[np.flatnonzero(cells == "G")] = self._goal
        self._event_rewards = np.zeros((num_shapes + 2, len(_SHAPES)), np.float32)
        self._event_rewards[np.arange(num_shapes), np.searchsorted(_SHAPES, cells[shape_cells])] = 1.0
        self._event_rewards[self._goal] = 1.0

        self._moves = grid_moves(height, width, maze == "X", _MOVES).reshape(-1)
        self._positions = np.stack(np.unravel_index(np.arange(maze.size), maze.shape), axis=-1).astype(np.int32)
        self._starts = column_major[cells[column_major] == "_"]
        self._cells = np.zeros(num_envs, np.int64)
        self._maze = maze
        self._state = np.zeros((num_envs, 2 + num_shapes + 2), np.int32)
        self._observed = 2 + num_shapes

        bound = np.ones(self._observed)
        self.observation_space = Box(low=0 * bound, high=height * bound, dtype=np.int32)
        self.action_space = Discrete(len(_MOVES))
        self.reward_space = Box(low=0, high=1, shape=(len(_SHAPES),))

    def render_text(self, row: int) -> str:
        """Write the maze: shapes that are left, ``@`` for the agent; see :meth:`envs.drawn_env.DrawnEnv.render_frame`."""
        self._check_drawable(row)
        left = self._left(row)
        left.flat[self._cells[row]] = "@"
        return "\n".join([*self._caption(row), *("".join(cells) for cells in left)])

    def _left(self, row: int) -> npt.NDArray[np.str_]:
        """The maze without the shapes that a row has collected."""
        maze = np.where(self._maze == "_", " ", self._maze)
        shape_cells = np.flatnonzero(self._event < self._goal)
        taken = self._state[row, 2 + self._event[shape_cells]] == 1
        maze.flat[shape_cells[taken]] = " "
        return maze

    def _draw(self, row: int, canvas: Canvas) -> None:
        left = self._left(row)
        colours = np.full((*left.shape, 3), PAPER, np.uint8)
        colours[left == "X"], colours[left == "G"] = GREY, GREEN
        for shape, colour in zip(_SHAPES, _SHAPE_COLOURS, strict=True):
            colours[left == shape] = colour
        board = Board(canvas, BODY, *left.shape)
        board.paint(colours)
        for cell, text in np.ndenumerate(left):
            if text in ("G", *_SHAPES):
                board.write(cell, str(text), readable_on(colours[cell]))
        board.mark(np.unravel_index(self._cells[row], left.shape))

    def _start(self, rows: Rows) -> npt.NDArray[Any]:
        self._cells[rows] = cells = self._one_of(rows, self._starts)
        self._state[rows] = 0
        self._state[rows, 2 + self._nothing] = 1
        return self._observe(rows, cells)

    def _advance(self, rows: Rows, actions: npt.NDArray[Any]) -> Advanced:
        cells = self._moves[self._cells[rows] * len(_MOVES) + actions]
        self._cells[rows] = cells
        event = self._event[cells]
        flags = self._state.reshape(-1)
        here = rows * self._state.shape[1] + (2 + event)
        happens = flags[here] == 0
        flags[here] = 1
        rewards = self._event_rewards.take(np.where(happens, event, self._nothing), axis=0)
        return self._observe(rows, cells), rewards, event == self._goal

    def _observe(self, rows: Rows, cells: Integers) -> npt.NDArray[Any]:
        observations = self._state.take(rows, axis=0)[:, : self._observed]
        observations[:, :2] = self._positions.take(cells, axis=0)
        return observations
