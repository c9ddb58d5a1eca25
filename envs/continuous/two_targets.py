"""Two targets for one action: continuous control with a front in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from envs.drawing import BLUE, FAINT, GREEN, GREY, INK, PANEL, SQUARE, Canvas, Plane
from envs.drawn_env import DrawnEnv
from envs.native_env import shorter
from envs.protocols import Advanced, Rows

_SPREAD = 1.0 / 3.0  # mean squared distance of the targets: |x|^2 / 2 with x uniform on [-1, 1]^2


class TwoTargets(DrawnEnv):
    r"""``continuous/two-targets-v0``: be near two points that the observation places apart.

    In each step the observation :math:`x` is uniform on :math:`[-1, 1]^2`, whatever was done before. The targets are
    :math:`c_1 = x/2` and :math:`c_2`, the same vector turned by 90 degrees, and

    .. math:: r_i(x, a) = -\lVert a - c_i(x) \rVert^2 .

    The best action for weights :math:`w` is :math:`w_1 c_1 + w_2 c_2`; its value is
    :math:`-(w_2^2, w_1^2)\,(1 + \dots + \gamma^{H-1}) / 3`, since the mean of :math:`\lVert c_1 - c_2 \rVert^2` is 1/3. The
    front is the curve of these values. Episodes are truncated after ``horizon`` steps.

    Observation ``(2,)`` and action ``(2,)`` in ``[-1, 1]``, float32; actions outside are clipped.
    """

    objective_names = ("first", "second")
    objective_units = ("minus squared distance", "minus squared distance")

    def __init__(self, num_envs: int, *, horizon: int = 10, max_episode_steps: int | None = None) -> None:
        """Set the length of the episodes.

        Args:
            num_envs: Number of rows.
            horizon: Length of an episode, ``H``.
            max_episode_steps: A shorter limit, which then counts as the horizon.

        Raises:
            ValueError: The horizon is not positive.
        """
        from gymnasium.spaces import Box

        if horizon < 1:
            raise ValueError(f"horizon is {horizon}; expected at least 1 step")
        limit = shorter(horizon, max_episode_steps)
        super().__init__(num_envs, num_actions=None, max_episode_steps=limit)
        self._horizon = int(limit or horizon)
        self.observation_space = Box(-1.0, 1.0, shape=(2,), dtype=np.float32)
        self.action_space = Box(-1.0, 1.0, shape=(2,), dtype=np.float32)
        # Farthest apart are a corner of the action square and the target on the opposite side, at distance |(1.5, 1.5)|.
        self.reward_space = Box(-4.5, 0.0, shape=(2,), dtype=np.float32)
        self._context = np.zeros((num_envs, 2), np.float32)

    def _next_context(self, rows: Rows) -> npt.NDArray[np.float32]:
        drawn = np.stack([self._uniforms(rows, draw) for draw in range(2)], axis=-1)
        context = (2.0 * drawn - 1.0).astype(np.float32)
        self._context[rows] = context
        return context

    def _draw(self, row: int, canvas: Canvas) -> None:
        plane = Plane(SQUARE, (-1.0, -1.0), (1.0, 1.0))
        x, y = self._context[row].astype(np.float64)
        first, second = plane([(x / 2, y / 2), (-y / 2, x / 2)])
        canvas.rectangle((*plane((-1.0, 1.0)), *plane((1.0, -1.0))), outline=GREY)
        for axis in ([(-1.0, 0.0), (1.0, 0.0)], [(0.0, -1.0), (0.0, 1.0)]):
            canvas.line(plane(axis), FAINT, width=1)
        canvas.line([plane((0.0, 0.0)), plane((x, y))], INK, width=1)
        canvas.line([first, second], GREY, width=1)
        canvas.disc(plane((x, y)), 3, INK)
        for number, (target, colour) in enumerate(((first, BLUE), (second, GREEN)), 1):
            canvas.disc(target, 10, colour)
            canvas.text(target, str(number), colour=(255, 255, 255), anchor="mm")
        texts = [f"observation ({x:.2f}, {y:.2f})", "best actions lie on the line", "between the targets 1 and 2"]
        canvas.lines((PANEL.left, PANEL.top), texts)

    def _start(self, rows: Rows) -> npt.NDArray[Any]:
        return self._next_context(rows)

    def _advance(self, rows: Rows, actions: npt.NDArray[Any]) -> Advanced:
        action = np.clip(actions.astype(np.float32), -1.0, 1.0)
        x, y = self._context[rows].T * np.float32(0.5)
        first = (action[:, 0] - x) ** 2 + (action[:, 1] - y) ** 2
        second = (action[:, 0] + y) ** 2 + (action[:, 1] - x) ** 2
        rewards = -np.stack([first, second], axis=-1)
        return self._next_context(rows), rewards, np.zeros(rows.shape, np.bool_)

    def optimal_value(self, weights: npt.ArrayLike, gamma: float) -> Floats:
        """Value of the optimal policy for a weighted sum.

        Args:
            weights: On the simplex, ``(..., 2)``.
            gamma: Discount in ``[0, 1]``.

        Returns:
            Expected discounted return of an episode, ``(..., 2)``.
        """
        w = np.asarray(weights, np.float64)
        total = (gamma ** np.arange(self._horizon)).sum()
        value: Floats = -(w[..., ::-1] ** 2) * _SPREAD * total
        return value

    def pareto_front(self, gamma: float, *, num_points: int = 101) -> Floats:
        """Points of the front, at evenly spread weights.

        Args:
            gamma: Discount in ``[0, 1]``.
            num_points: How many points of the curve, at least 2.

        Returns:
            ``(num_points, 2)``, ordered by growing first objective.
        """
        first = np.linspace(0.0, 1.0, num_points)
        return self.optimal_value(np.stack([first, 1.0 - first], axis=-1), gamma)
