"""Covering a field drawn from a Gaussian process."""

from __future__ import annotations

import numpy as np

from envs.arguments import instance_generator
from envs.arrays import Floats
from envs.coverage.gaussian_process import posterior, sample
from envs.coverage.graph_world import GraphWorld, Observation
from envs.coverage.grids import Disc, GridMap
from envs.coverage.set_functions.coverage import Coverage

VARIANCE = float(np.log(2.0))
"""Prior variance of the published fields (a softplus at 0)."""
_NOISE = 1e-3
_MOST_POINTS = 10_000
_SMALLEST = 1e-3  # a field is shifted so that no cell is worth less


class GP(GraphWorld):
    """``coverage/gp-v0``: cells are worth 3 plus a smooth random field, which ``instance_seed`` chooses.

    The field is drawn from a Gaussian process (Matérn 5/2, length scale 1, cells 0.1 apart) that is known to be 0 at one
    random place. A field that would reach 0 or below is lifted.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        instance_seed: int = 0,
        rows: int = 30,
        columns: int = 30,
        start: tuple[int, int] = (1, 4),
        horizon: int = 39,
        disc: Disc = "block",
        slip: float = 0.0,
        observation: Observation = "markov",
        vector_reward: bool = False,
        max_episode_steps: int | None = None,
    ) -> None:
        """Draw the field.

        Args:
            num_envs: Number of rows of the batch.
            instance_seed: Which field.
            rows: Of the grid.
            columns: Of the grid.
            start: Row and column of the first cell.
            horizon: Actions per episode.
            disc: What a position sees.
            slip: Probability of a random action.
            observation: See :class:`~envs.coverage.graph_world.GraphWorld`.
            vector_reward: Pay gymnasium an array ``(1,)`` also if there is one objective, in place of a number.
            max_episode_steps: Episodes are truncated at this length.
        """
        self.grid = grid = GridMap.without_walls(rows, columns)
        """Cells and walls."""
        self.field = _field(rows, columns, instance_seed)
        """Worth of the cells, ``(rows, columns)``."""
        super().__init__(
            num_envs,
            successors=grid.successors,
            features=grid.features,
            coordinates=grid.cells,
            start=grid.node(*start),
            # In float32: sums of such numbers do not round in float64, so the order of visits shows in no digit.
            set_function=Coverage(grid.discs(disc), self.field.ravel().astype(np.float32)),
            horizon=horizon,
            slip=slip,
            observation=observation,
            vector_reward=vector_reward,
            max_episode_steps=max_episode_steps,
        )


def _field(rows: int, columns: int, instance_seed: int) -> Floats:
    rng = instance_generator(instance_seed)
    points = np.asarray(1.0 + 0.1 * GridMap.without_walls(rows, columns).cells, np.float64)
    if len(points) > _MOST_POINTS:
        raise ValueError(f"the field has {len(points):,} cells, each correlated with all; expected at most {_MOST_POINTS:,}")
    known = 1.0 + 0.1 * rng.uniform(size=(1, 2)) * [rows - 1, columns - 1]
    mean, covariance = posterior(points, known, np.zeros(1), variance=VARIANCE, length_scale=1.0, noise_variance=_NOISE)
    drawn = 3.0 + sample(mean, covariance, rng)
    return np.asarray((drawn + max(0.0, _SMALLEST - drawn.min())).reshape(rows, columns))
