"""Grids with walls: who can walk where, and who sees what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from envs.arguments import whole
from envs.arrays import Flags, Floats, Integers

Disc: TypeAlias = Literal["cell", "block", "large"]
"""What a position sees: its own cell; the block of 2 x 2 cells with the position in its upper left corner; 3 x 3 likewise."""

MOVES = np.array([[0, 0], [0, 1], [1, 0], [0, -1], [-1, 0]])
"""Row and column steps of the five actions: stay, right, down, left, up."""

_DISC_SIZES = {"cell": 1, "block": 2, "large": 3}
_MOST_CELLS = 1_000_000


@dataclass(frozen=True)
class GridMap:
    """The free cells of a grid, numbered row by row; walls have no number."""

    free: Flags
    """``(rows, columns)``."""

    def __post_init__(self) -> None:
        """Refuse a grid without cells.

        Raises:
            ValueError: There is no free cell.
        """
        if self.free.ndim != 2 or not self.free.any():
            raise ValueError(f"the grid has shape {self.free.shape}; expected (rows, columns) with at least one free cell")

    @staticmethod
    def without_walls(rows: int, columns: int) -> GridMap:
        """A rectangle.

        Args:
            rows: At least 1.
            columns: At least 1.
        """
        if whole("rows", rows, least=0) * whole("columns", columns, least=0) > _MOST_CELLS:
            raise ValueError(f"the grid has {rows * columns:,} cells; expected at most {_MOST_CELLS:,}")
        if rows < 1 or columns < 1:
            raise ValueError(f"the grid has {rows} rows and {columns} columns; expected at least 1 of each")
        return GridMap(np.ones((rows, columns), np.bool_))

    @property
    def cells(self) -> Integers:
        """Row and column of each node, ``(V, 2)``."""
        return np.argwhere(self.free)

    @property
    def nodes(self) -> Integers:
        """Node of each cell, -1 for walls, ``(rows, columns)``."""
        return np.where(self.free, np.cumsum(self.free).reshape(self.free.shape) - 1, -1)

    def node(self, row: int, column: int) -> int:
        """Number of a cell.

        Args:
            row: Row.
            column: Column.

        Raises:
            ValueError: There is no such cell, or it is a wall.
        """
        rows, columns = self.free.shape
        if not (0 <= row < rows and 0 <= column < columns) or not self.free[row, column]:
            raise ValueError(f"({row}, {column}) is not a free cell of the {rows} x {columns} grid")
        return int(self.nodes[row, column])

    def neighbours(self, offsets: Integers) -> Integers:
        """Nodes at some offsets from each node.

        Args:
            offsets: Row and column steps, ``(k, 2)``.

        Returns:
            ``(V, k)``; -1 where there is a wall or the grid ends.
        """
        reach = int(np.abs(offsets).max(initial=0))
        padded = np.pad(self.nodes, reach, constant_values=-1)
        places = self.cells[:, None] + offsets + reach
        found: Integers = padded[places[..., 0], places[..., 1]]
        return found

    @property
    def successors(self) -> Integers:
        """Where the five actions lead, ``(V, 5)``; who would leave the free cells stays."""
        found = self.neighbours(MOVES)
        return np.where(found < 0, np.arange(found.shape[0])[:, None], found)

    def discs(self, disc: Disc) -> Integers:
        """What each node sees, ``(V, K)``, padded with -1.

        Args:
            disc: See :data:`Disc`. Walls inside it are not seen, and do not hide what is behind them.

        Raises:
            ValueError: There is no such disc.
        """
        if disc not in _DISC_SIZES:
            raise ValueError(f"disc is {disc!r}; expected one of {', '.join(_DISC_SIZES)}")
        width = _DISC_SIZES[disc]
        return self.neighbours(np.array([[i, j] for i in range(width) for j in range(width)]))

    @property
    def features(self) -> Floats:
        """Position of each node, scaled to ``[-1, 1]``, ``(V, 2)``."""
        scaled: Floats = 2.0 * self.cells / np.maximum(np.array(self.free.shape) - 1, 1) - 1.0
        return scaled
