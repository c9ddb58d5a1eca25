"""Covering a field with two far hills."""

from __future__ import annotations

import numpy as np

from envs.coverage.graph_world import GraphWorld, Observation
from envs.coverage.grids import Disc, GridMap
from envs.coverage.set_functions.coverage import Coverage


class Bimodal(GraphWorld):
    """``coverage/bimodal-v0``: cells are worth ``1 / (1 + exp(-x y))``, with ``x`` and ``y`` from -1 to 1 over the grid.

    Two opposite corners are worth 0.73, the other two 0.27.
    """

    def __init__(
        self,
        num_envs: int,
        *,
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
        """Build the field.

        Args:
            num_envs: Number of rows of the batch.
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
        x, y = np.linspace(-1.0, 1.0, rows), np.linspace(-1.0, 1.0, columns)
        self.field = 1.0 / (1.0 + np.exp(-np.outer(x, y)))
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
