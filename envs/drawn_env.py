"""What native batched environments that can be drawn have in common."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import numpy.typing as npt

from envs.drawing import Canvas
from envs.native_env import NativeEnv
from envs.native_parametric_env import NativeParametricEnv


class DrawnEnv(NativeEnv):
    """Base of the native environments with pictures; a subclass draws the state of a row on a canvas.

    A picture is a function of the row's state. Drawing changes nothing, and nothing is kept for it while stepping.
    """

    render_fps = 10
    """Pictures per second of a video."""

    def render_frame(self, row: int) -> npt.NDArray[np.uint8]:
        """Draw the state of a row.

        Args:
            row: Which one.

        Returns:
            ``(400, 640, 3)``.

        Raises:
            gymnasium.error.ResetNeeded: The row was never reset.
            ValueError: There is no such row.
        """
        self._check_drawable(row)
        canvas = Canvas()
        self._draw(row, canvas)
        canvas.caption(self._caption(row))
        return canvas.pixels()

    @abstractmethod
    def _draw(self, row: int, canvas: Canvas) -> None:
        """Draw the state of a row, above the caption."""

    def _caption(self, row: int) -> list[str]:
        """One or two lines about a row: how far its episode is."""
        limit = self._longest_episode
        return [f"step {self._elapsed[row]}" + ("" if limit is None else f" of {limit}")]

    @property
    def _longest_episode(self) -> int | None:
        return self.max_episode_steps

    def _check_drawable(self, row: int) -> None:
        if not 0 <= row < self.num_envs:
            raise ValueError(f"row is {row}; expected 0 to {self.num_envs - 1}")
        if not (self._running[row] or self._elapsed[row]):
            from gymnasium.error import ResetNeeded

            raise ResetNeeded(f"row {row} was never reset; reset it with a seed before drawing it")


class DrawnParametricEnv(NativeParametricEnv, DrawnEnv):
    """Base of the environments with settable dynamics that have pictures: the caption names the row's model too."""

    def _caption(self, row: int) -> list[str]:
        pairs = zip(self.parameter_space.parameters, self._params[row], strict=True)
        model = ", ".join(f"{parameter.name} {value:.3g} {parameter.unit}".rstrip() for parameter, value in pairs)
        return [*super()._caption(row), model]
