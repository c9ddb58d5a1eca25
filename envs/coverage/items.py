"""Collecting items of several kinds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from envs.arguments import instance_generator
from envs.arrays import read_whole
from envs.coverage.graph_world import GraphWorld, Observation
from envs.coverage.grids import GridMap
from envs.coverage.set_functions.group_cap import GroupCap
from envs.drawing import CATEGORIES, FAINT, PANEL, PAPER, Canvas


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
        vector_reward: bool = False,
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
            vector_reward: Pay gymnasium an array ``(1,)`` also if there is one objective, in place of a number.
            max_episode_steps: Episodes are truncated at this length.

        Raises:
            ValueError: There are more items than cells, or not one cap for each kind.
        """
        self.caps = tuple(caps)
        """How many of each kind are wanted."""
        self.grid = grid = GridMap.without_walls(rows, columns)
        """Cells and walls."""
        group_sizes = read_whole("group_sizes", group_sizes, "numbers of items").tolist()
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
            vector_reward=vector_reward,
            max_episode_steps=max_episode_steps,
        )

    def _look(self, row: int) -> tuple[npt.NDArray[np.uint8], Sequence[str]]:
        """A colour and a letter for each kind; items that are collected, or no longer wanted, are pale."""
        palette = np.array([CATEGORIES[kind % len(CATEGORIES)] for kind in range(self.groups.max() + 1)] + [PAPER], np.uint8)
        is_item = self.groups >= 0
        colours = palette[self.groups]
        colours[is_item & (self._left_to_gain(row) == 0)] = FAINT
        return colours, [_letter(kind) if kind >= 0 else "" for kind in self.groups]

    def _signs(self, row: int) -> npt.NDArray[np.str_]:
        """The kinds of items that are still wanted."""
        return np.where(self._left_to_gain(row) > 0, [_letter(kind) for kind in self.groups], ".")

    def _notes(self, row: int) -> list[str]:
        counts = self._state["counts"][row].tolist()
        return [f"{_letter(kind)}: {counts[kind]} collected, {cap} wanted" for kind, cap in enumerate(self.caps[:12])]

    def _explain(self, canvas: Canvas) -> None:
        canvas.text((PANEL.left, PANEL.bottom), "grey: collected, or not wanted", size=12)


def _letter(kind: int) -> str:
    """Name of a kind of items: A to Z, and again."""
    return chr(ord("A") + kind % 26)
