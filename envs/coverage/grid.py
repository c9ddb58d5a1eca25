"""Informative path planning on an open grid."""

from __future__ import annotations

from envs.coverage.graph_world import GraphWorld, Observation
from envs.coverage.grids import Disc, GridMap
from envs.coverage.set_functions.coverage import Coverage
from envs.coverage.set_functions.set_function import SetFunction


class Grid(GraphWorld):
    """``coverage/grid-v0``: see as many cells as possible.

    Each position sees the cells of its disc; actions are stay, right, down, left, up. With the default sizes two new
    cells per move are the most there can be, so the optimum is ``4 + 2 * 79 = 162``, of which 4 belong to the start.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        rows: int = 30,
        columns: int = 30,
        start: tuple[int, int] = (1, 4),
        horizon: int = 79,
        disc: Disc = "block",
        slip: float = 0.0,
        observation: Observation = "markov",
        set_function: SetFunction | None = None,
        vector_reward: bool = False,
        max_episode_steps: int | None = None,
    ) -> None:
        """Build the grid.

        Args:
            num_envs: Number of rows of the batch.
            rows: Of the grid.
            columns: Of the grid.
            start: Row and column of the first cell.
            horizon: Actions per episode.
            disc: What a position sees, if ``set_function`` is None.
            slip: Probability of a random action.
            observation: See :class:`~envs.coverage.graph_world.GraphWorld`.
            set_function: Over the ``rows * columns`` cells, row by row, in place of the number of cells seen.
            vector_reward: Pay gymnasium an array ``(1,)`` also if there is one objective, in place of a number.
            max_episode_steps: Episodes are truncated at this length.
        """
        self.grid = grid = GridMap.without_walls(rows, columns)
        """Cells and walls."""
        super().__init__(
            num_envs,
            successors=grid.successors,
            features=grid.features,
            coordinates=grid.cells,
            start=grid.node(*start),
            set_function=Coverage(grid.discs(disc)) if set_function is None else set_function,
            horizon=horizon,
            slip=slip,
            observation=observation,
            vector_reward=vector_reward,
            max_episode_steps=max_episode_steps,
        )
