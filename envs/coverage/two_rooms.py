"""Building exploration: two rooms and a corridor."""

from __future__ import annotations

import numpy as np

from envs.coverage.graph_world import GraphWorld, Observation
from envs.coverage.grids import Disc, GridMap
from envs.coverage.set_functions.coverage import Coverage


class TwoRooms(GraphWorld):
    """``coverage/two-rooms-v0``: see all 68 cells of two rooms, starting in the corridor between them.

    7 rows and 14 columns: the rooms are columns 0 to 3 and 10 to 13, the corridor is rows 2 and 3 between them. Walls are
    neither entered nor seen. Who explores the nearer cells first has no time left for the other room. With the default
    horizon all 68 cells can be seen.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        start: tuple[int, int] = (2, 6),
        horizon: int = 39,
        disc: Disc = "block",
        slip: float = 0.0,
        observation: Observation = "markov",
        vector_reward: bool = False,
        max_episode_steps: int | None = None,
    ) -> None:
        """Build the rooms.

        Args:
            num_envs: Number of rows of the batch.
            start: Row and column of the first cell.
            horizon: Actions per episode.
            disc: What a position sees.
            slip: Probability of a random action.
            observation: See :class:`~envs.coverage.graph_world.GraphWorld`.
            vector_reward: Pay gymnasium an array ``(1,)`` also if there is one objective, in place of a number.
            max_episode_steps: Episodes are truncated at this length.
        """
        free = np.zeros((7, 14), np.bool_)
        free[:, :4] = free[:, 10:] = free[2:4] = True
        self.grid = grid = GridMap(free)
        """Cells and walls."""
        super().__init__(
            num_envs,
            successors=grid.successors,
            features=grid.features,
            coordinates=grid.cells,
            start=grid.node(*start),
            set_function=Coverage(grid.discs(disc)),
            horizon=horizon,
            slip=slip,
            observation=observation,
            vector_reward=vector_reward,
            max_episode_steps=max_episode_steps,
        )
