"""One action, several centres to be near to: continuous control of one step, with a front in closed form."""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.arguments import instance_generator, whole
from envs.arrays import Floats, read_floats
from envs.drawing import CATEGORIES, FAINT, GREY, INK, PANEL, SQUARE, Canvas, Plane
from envs.drawn_env import DrawnEnv
from envs.protocols import Advanced, Rows

_MOST = 1_000  # objectives, or components of an action
_SHOWN = 10  # centres that the text beside the picture lists


class QuadraticBandit(DrawnEnv):
    r"""``continuous/quadratic-bandit-v0``: one step, one action, and for each objective a centre to be near to.

    .. math:: r_j(a) = -\lVert a - c_j \rVert^2, \qquad a \in [-1, 1]^k

    The actions that nothing dominates are the convex hull of the centres. For weights :math:`w` on the simplex the best one is
    :math:`\sum_j w_j c_j`, and it is the only one. An actor that is conditioned on weights can thus be held against the truth
    for every weight, in seconds.

    Observation ``(1,)``, always 0, and action ``(k,)`` in ``[-1, 1]``, float32; actions outside are clipped.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        num_objectives: int = 2,
        action_size: int = 2,
        centres: npt.ArrayLike | None = None,
        instance_seed: int = 0,
        max_episode_steps: int | None = None,
    ) -> None:
        """Place the centres.

        Args:
            num_envs: Number of rows.
            num_objectives: ``m``.
            action_size: ``k``.
            centres: ``(m, k)`` in ``[-1, 1]``, which then say both numbers; None to draw them from ``[-0.8, 0.8]``.
            instance_seed: Seed of drawn centres.
            max_episode_steps: An episode has one step in any case.

        Raises:
            ValueError: A number makes no sense, or the centres have another shape or lie outside.
        """
        from gymnasium.spaces import Box

        super().__init__(num_envs, num_actions=None, max_episode_steps=max_episode_steps)
        shape = (
            whole("num_objectives", num_objectives, least=1, most=_MOST),
            whole("action_size", action_size, least=1, most=_MOST),
        )
        generator = instance_generator(instance_seed)
        given = generator.uniform(-0.8, 0.8, size=shape) if centres is None else read_floats("centres", centres, "(m, k)")
        if given.ndim != 2 or not given.size or not (np.abs(given) <= 1.0).all():
            raise ValueError(f"centres has shape {given.shape}; expected (m, k), one centre for each objective, within [-1, 1]")
        self.centres = given.astype(np.float32)
        """``(m, k)``."""
        m, k = self.centres.shape
        self.objective_names = tuple(f"centre {number}" for number in range(1, m + 1))
        self.objective_units = ("minus squared distance",) * m
        self.observation_space = Box(0.0, 1.0, shape=(1,), dtype=np.float32)
        self.action_space = Box(-1.0, 1.0, shape=(k,), dtype=np.float32)
        farthest = ((1.0 + np.abs(self.centres)) ** 2).sum(-1)
        self.reward_space = Box(-farthest * np.float32(1.00001), np.zeros(m, np.float32), dtype=np.float32)
        self._last = np.zeros((num_envs, k), np.float32)

    def _start(self, rows: Rows) -> npt.NDArray[Any]:
        self._last[rows] = 0.0
        return np.zeros((rows.size, 1), np.float32)

    def _advance(self, rows: Rows, actions: npt.NDArray[Any]) -> Advanced:
        action = np.clip(actions.astype(np.float32), -1.0, 1.0)
        self._last[rows] = action
        rewards = -((action[:, None] - self.centres) ** 2).sum(-1)
        return np.zeros((rows.size, 1), np.float32), rewards, np.ones(rows.shape, np.bool_)

    def _draw(self, row: int, canvas: Canvas) -> None:
        plane = Plane(SQUARE, (-1.0, -1.0), (1.0, 1.0))
        canvas.rectangle((*plane((-1.0, 1.0)), *plane((1.0, -1.0))), outline=GREY)
        for axis in ([(-1.0, 0.0), (1.0, 0.0)], [(0.0, -1.0), (0.0, 1.0)]):
            canvas.line(plane(axis), FAINT, width=1)
        # Of many components the first two are drawn; a single one lies on the horizontal axis.
        flat = np.zeros((len(self.centres) + 1, 2))
        points = np.concatenate([self.centres, self._last[row][None]]).astype(np.float64)
        flat[:, : points.shape[1]] = points[:, :2]
        places = plane(flat)
        for number, place in enumerate(places[:-1]):
            canvas.line([places[-1], place], FAINT, width=1)
            canvas.disc(place, 10, CATEGORIES[number % len(CATEGORIES)])
            canvas.text(place, str(number + 1), anchor="mm")
        canvas.disc(places[-1], 4, INK)
        distances = ((self._last[row] - self.centres) ** 2).sum(-1)[:_SHOWN]
        texts = [f"centre {number}: {-distance:.3f}" for number, distance in enumerate(distances, 1)]
        canvas.lines((PANEL.left, PANEL.top), ["minus squared distances", *texts])

    def optimal_action(self, weights: npt.ArrayLike) -> Floats:
        """The best action for a weighted sum.

        Args:
            weights: On the simplex, ``(..., m)``.

        Returns:
            ``(..., k)``.
        """
        action: Floats = np.asarray(weights, np.float64) @ self.centres.astype(np.float64)
        return action

    def optimal_value(self, weights: npt.ArrayLike, gamma: float) -> Floats:
        """Value of the optimal policy for a weighted sum.

        Args:
            weights: On the simplex, ``(..., m)``.
            gamma: Discount; an episode has one step, so it does not matter.

        Returns:
            Return of an episode, ``(..., m)``.
        """
        del gamma
        action = self.optimal_action(weights)
        value: Floats = -((action[..., None, :] - self.centres.astype(np.float64)) ** 2).sum(-1)
        return value

    def pareto_front(self, gamma: float, *, num_points: int = 101) -> Floats:
        """Points of the front, at the weights of a lattice on the simplex.

        Args:
            gamma: Discount; it does not matter.
            num_points: At most how many points; the corners are there in any case.

        Returns:
            ``(p, m)``; with two objectives ordered by growing first one.
        """
        m = len(self.centres)
        divisions = 1
        while m > 1 and comb(divisions + m, m - 1) <= num_points:
            divisions += 1
        bars = np.array(list(combinations(range(divisions + m - 1), m - 1)), np.int64).reshape(-1, m - 1)
        edges = np.concatenate([np.full((len(bars), 1), -1), bars, np.full((len(bars), 1), divisions + m - 1)], axis=1)
        return self.optimal_value((np.diff(edges, axis=1) - 1) / divisions, gamma)
