"""Choosing where to measure a Gaussian process on the way."""

from __future__ import annotations

import numpy as np

from envs.arguments import instance_generator
from envs.arrays import Integers
from envs.coverage.gaussian_process import posterior
from envs.coverage.gp import VARIANCE
from envs.coverage.graph_world import GraphWorld, Observation
from envs.coverage.grids import GridMap
from envs.coverage.set_functions.log_det import LogDet

_KNOWN = 5
_SPAN = 10.0  # earlier measurements lie in [0, 10]^2, of which the grid is a part
_PRIOR_NOISE = 1e-3


class ExperimentDesign(GraphWorld):
    r"""``coverage/experiment-design-v0``: Bayesian D-optimal design along a walk.

    A measurement is made wherever one arrives, and where one starts. The reward is the information, in nats, that it adds about
    the field: :math:`\frac12 \log\det(I + K / \sigma^2)` in all. The field's covariance ``K`` is that of a Gaussian process
    (Matérn 5/2, length scale 1, cells 0.1 apart) after five measurements at places that ``instance_seed`` chooses, many of them
    outside the grid.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        instance_seed: int = 0,
        rows: int = 30,
        columns: int = 30,
        start: tuple[int, int] = (1, 4),
        noise_variance: float = 1e-6,
        horizon: int = 39,
        slip: float = 0.0,
        observation: Observation = "markov",
        vector_reward: bool = False,
        max_episode_steps: int | None = None,
    ) -> None:
        """Prepare the field.

        Args:
            num_envs: Number of rows of the batch.
            instance_seed: Which earlier measurements.
            rows: Of the grid.
            columns: Of the grid.
            start: Row and column of the first cell.
            noise_variance: Of the measurements on the way, positive.
            horizon: Actions per episode.
            slip: Probability of a random action.
            observation: See :class:`~envs.coverage.graph_world.GraphWorld`.
            vector_reward: Pay gymnasium an array ``(1,)`` also if there is one objective, in place of a number.
            max_episode_steps: Episodes are truncated at this length.
        """
        self.grid = grid = GridMap.without_walls(rows, columns)
        """Cells and walls."""
        known = instance_generator(instance_seed).uniform(0.0, _SPAN, size=(_KNOWN, 2))
        _, covariance = posterior(
            np.asarray(1.0 + 0.1 * grid.cells, np.float64),
            known,
            np.zeros(_KNOWN),  # a posterior covariance does not depend on what was measured
            variance=VARIANCE,
            length_scale=1.0,
            noise_variance=_PRIOR_NOISE,
        )
        super().__init__(
            num_envs,
            successors=grid.successors,
            features=grid.features,
            coordinates=grid.cells,
            start=grid.node(*start),
            set_function=LogDet(covariance, noise_variance=noise_variance),
            horizon=horizon,
            slip=slip,
            observation=observation,
            vector_reward=vector_reward,
            max_episode_steps=max_episode_steps,
        )

    def _walk(self, row: int) -> Integers:
        """Where was measured: the set function keeps it."""
        return self._state["sites"][row, : self._state["sizes"][row]].numpy()
