"""Collecting items of several kinds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from envs.arguments import instance_generator
from envs.coverage.graph_world import GraphWorld, Observation
from envs.coverage.grids import GridMap
from envs.coverage.set_functions.group_cap import GroupCap


class Items(GraphWorld):
    """``coverage/items-v0``: collect from each kind as many items as are wanted; ``instance_seed`` places them.

    A cell holds at most one item. Collecting all that is wanted is worth the sum of the caps, 21 by default.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        instance_seed: int = 0,
        rows: int = 7,
        columns: int = 15,
        start: tuple[int, int] = (2, 4),
        group_sizes: Sequence[int] = (18, 14, 13, 16, 18, 14),
        caps: Sequence[int] = (3, 2, 3, 4, 6, 3),
        horizon: int = 39,
        slip: float = 0.0,
        observation: Observation = "markov",
        max_episode_steps: int | None = None,
    ) -> None:
        """Place the items.

        Args:
            num_envs: Number of rows of the batch.
            instance_seed: Which placement: a random permutation of the cells is cut into the groups.
            rows: Of the grid.
            columns: Of the grid.
            start: Row and column of the first cell.
            group_sizes: Number of items of each kind.
            caps: How many of each kind are wanted.
            horizon: Actions per episode.
            slip: Probability of a random action.
            observation: See :class:`~envs.coverage.graph_world.GraphWorld`.
            max_episode_steps: Episodes are truncated at this length.

        Raises:
            ValueError: There are more items than cells, or not one cap for each kind.
        """
        grid = GridMap.without_walls(rows, columns)
        self.grid = grid
        """Cells and walls."""
        if len(group_sizes) != len(caps) or min(group_sizes, default=-1) < 0:
            raise ValueError(f"group_sizes is {tuple(group_sizes)} and caps {tuple(caps)}; expected one cap for each group")
        if sum(group_sizes) > rows * columns:
            raise ValueError(f"there are {sum(group_sizes)} items; expected at most one for each of {rows * columns} cells")
        self.groups = np.full(rows * columns, -1)
        """Kind of the item in each cell, -1 for none, ``(V,)``."""
        placed = np.repeat(np.arange(len(group_sizes)), group_sizes)
        self.groups[instance_generator(instance_seed).permutation(rows * columns)[: placed.size]] = placed
        super().__init__(
            num_envs,
            successors=grid.successors,
            features=grid.features,
            coordinates=grid.cells,
            start=grid.node(*start),
            set_function=GroupCap(self.groups, caps),
            horizon=horizon,
            slip=slip,
            observation=observation,
            max_episode_steps=max_episode_steps,
        )
