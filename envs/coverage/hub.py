"""The smallest world in which the history matters."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from envs.coverage.graph_world import GraphWorld, Observation
from envs.coverage.set_functions.coverage import Coverage
from envs.parameter_space import Parameter
from envs.protocols import Rows

_START, _X, _Y, _HUB = range(4)


class Hub(GraphWorld):
    """``coverage/hub-v0``: chance leads to x or y, then everybody meets at the hub and chooses x or y; both want to be seen.

    Who remembers where he was goes to the other place and sees 2. Who only knows that he is at the hub and goes to x with
    probability ``q`` sees ``1 + p (1 - q) + (1 - p) q`` on average, with ``p`` the probability that chance led to x: 1.5 for
    every ``q`` if ``p`` is one half. ``p`` is the parameter of the transition model.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        p: float = 0.5,
        observation: Observation = "markov",
        vector_reward: bool = False,
        max_episode_steps: int | None = None,
    ) -> None:
        """Build the world.

        Args:
            num_envs: Number of rows of the batch.
            p: Nominal probability that the first step leads to x.
            observation: See :class:`~envs.coverage.graph_world.GraphWorld`.
            vector_reward: Pay gymnasium an array ``(1,)`` also if there is one objective, in place of a number.
            max_episode_steps: Episodes are truncated at this length.
        """
        super().__init__(
            num_envs,
            successors=np.array([[_X, _Y], [_HUB, _HUB], [_HUB, _HUB], [_X, _Y]]),
            features=np.eye(4),
            start=_START,
            set_function=Coverage([[], [0], [1], []]),
            horizon=3,
            slip=p,
            observation=observation,
            vector_reward=vector_reward,
            max_episode_steps=max_episode_steps,
        )

    @property
    def node_names(self) -> list[str]:
        """``start``, ``x``, ``y`` and ``hub``."""
        return ["start", "x", "y", "hub"]

    def executed(self, params: npt.ArrayLike | None = None) -> Floats:
        """Probability that action ``b`` is executed if ``a`` is chosen, ``(V, A, A)``; chance rules at the start only."""
        (p,) = self.parameter_space.checked(self.parameter_space.nominal if params is None else params)
        probabilities = np.tile(np.eye(2), (4, 1, 1))
        probabilities[_START] = [p, 1.0 - p]
        return probabilities

    @staticmethod
    def _parameter(nominal: float) -> Parameter:
        return Parameter(name="p", nominal=nominal, low=0.0, high=1.0, smallest=0.0, largest=1.0)

    def _execute(self, rows: Rows, actions: npt.NDArray[Any]) -> npt.NDArray[Any]:
        drawn = (self._uniforms(rows) >= self._params[rows, 0]).astype(np.int64)
        return np.where(self.nodes[rows] == _START, drawn, actions)

    @cached_property
    def _places(self) -> Floats:
        return np.array([(0.0, 0.5), (0.5, 1.0), (0.5, 0.0), (1.0, 0.5)])
