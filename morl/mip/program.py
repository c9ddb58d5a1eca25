"""A mixed-integer linear program as plain arrays, and its builder."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

NEGLIGIBLE = 1e-9
"""Coefficients that solvers drop; and sides of rows that make HiGHS 1.16 leave out solutions."""


@dataclass(frozen=True, eq=False)
class Program:
    """Maximise ``cost @ x + offset`` subject to ``row_lower <= A x <= row_upper`` and bounds, some columns integral."""

    row: Index
    """Row of each entry, ``(e,)``."""
    column: Index
    """Column of each entry, ``(e,)``."""
    value: Array
    """Each entry, ``(e,)``; at most one per place."""
    row_lower: Array
    """``(r,)``."""
    row_upper: Array
    """``(r,)``."""
    column_lower: Array
    """``(c,)``."""
    column_upper: Array
    """``(c,)``."""
    integer: npt.NDArray[np.bool_]
    """``(c,)``."""
    cost: Array
    """``(c,)``."""
    offset: float
    """Added to the objective."""

    @property
    def num_rows(self) -> int:
        """``r``."""
        return len(self.row_lower)

    @property
    def num_columns(self) -> int:
        """``c``."""
        return len(self.column_lower)

    def has_pattern_of(self, other: Program) -> bool:
        """Whether entries stand at the same places, so that one model can become the other by changing numbers.

        Entries that solvers drop do not stand anywhere: put back later, they would come last in their column, and answers would
        depend on what was solved before.
        """
        return (
            (self.num_rows, self.num_columns) == (other.num_rows, other.num_columns)
            and np.array_equal(self.row, other.row)
            and np.array_equal(self.column, other.column)
            and np.array_equal(np.abs(self.value) > NEGLIGIBLE, np.abs(other.value) > NEGLIGIBLE)
        )

    def without(self, columns: Index, action: npt.NDArray[np.bool_]) -> Program:
        """The same program with a row more: of these binary columns, ``(N,)``, at least one differs from ``action``."""
        return replace(
            self,
            row=np.concatenate([self.row, np.full(len(columns), self.num_rows)]),
            column=np.concatenate([self.column, columns]),
            value=np.concatenate([self.value, np.where(action, -1.0, 1.0)]),
            row_lower=np.append(self.row_lower, 1.0 - action.sum()),
            row_upper=np.append(self.row_upper, np.inf),
        )


@dataclass(frozen=True)
class Units:
    """Columns that stand for the units of one layer, ``(h,)`` each: what a formulation leaves behind."""

    hidden: Index
    """What the units put out."""
    switch: Index
    """1 where a unit is on."""


class ProgramBuilder:
    """Collects columns, rows and entries; satisfies ``envs.cormab.constraints.LinearModel``."""

    def __init__(self) -> None:
        self._entries: list[tuple[Index, Index, Array]] = []
        self._sides: list[tuple[Array, Array]] = []
        self._bounds: list[tuple[Array, Array, npt.NDArray[np.bool_]]] = []
        self._num_rows = self._num_columns = 0

    def add_variables(self, lower: Array, upper: Array, integer: npt.NDArray[np.bool_]) -> Index:
        """Add columns; see ``LinearModel.add_variables``."""
        size = len(lower)
        self._bounds.append((np.asarray(lower, float), np.asarray(upper, float), np.asarray(integer, np.bool_)))
        self._num_columns += size
        return np.arange(self._num_columns - size, self._num_columns)

    def add_rows(self, row: Index, column: Index, value: Array, lower: Array, upper: Array) -> None:
        """Add rows with their entries; see ``LinearModel.add_rows``."""
        first = self.rows(lower, upper)
        self.entries(first[row] if len(first) else row, column, value)

    def rows(self, lower: npt.ArrayLike, upper: npt.ArrayLike) -> Index:
        """Add rows with these sides, broadcast; return their numbers."""
        low, high = np.broadcast_arrays(np.asarray(lower, np.float64), np.asarray(upper, np.float64))
        self._sides.append((low, high))
        self._num_rows += low.size
        return np.arange(self._num_rows - low.size, self._num_rows)

    def entries(self, row: npt.ArrayLike, column: npt.ArrayLike, value: npt.ArrayLike) -> None:
        """Set entries, broadcast against each other."""
        parts = np.broadcast_arrays(np.asarray(row), np.asarray(column), np.asarray(value, np.float64))
        self._entries.append((parts[0].ravel(), parts[1].ravel(), parts[2].ravel()))

    def block(self, rows: Index, columns: Index, values: Array) -> None:
        """Set a dense block ``(r, c)``; what a solver would take for zero is left out."""
        place, where = np.nonzero(np.abs(values) > NEGLIGIBLE)
        self._entries.append((rows[place], columns[where], values[place, where]))

    def build(self, columns: Index, coefficients: Array, offset: float) -> Program:
        """Everything collected, with the objective ``coefficients @ x[columns] + offset``."""
        objective = np.zeros(self._num_columns)
        np.add.at(objective, columns, coefficients)
        row, column = (np.concatenate([np.zeros(0, np.int64), *(part[k] for part in self._entries)]) for k in range(2))
        value = np.concatenate([np.zeros(0), *(part[2] for part in self._entries)])
        low, high = (np.concatenate([np.zeros(0), *(part[k] for part in self._bounds)]) for k in range(2))
        integer = np.concatenate([np.zeros(0, np.bool_), *(part[2] for part in self._bounds)])
        sides = (np.concatenate([np.zeros(0), *(part[k].ravel() for part in self._sides)]) for k in range(2))
        below, above = (np.where(np.abs(side) <= NEGLIGIBLE, 0.0, side) for side in sides)
        return Program(row, column, value, below, above, low, high, integer, objective, offset)
