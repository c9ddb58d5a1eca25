"""Linear rows: what every constraint becomes for an integer program, in plain arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from envs.arrays import Flags, Floats, Integers
from envs.cormab.constraints.exact import LARGEST, Rows, sharpened
from envs.cormab.constraints.program import Program

Array = npt.NDArray[Any]


class LinearModel(Protocol):
    """What a model of any solver must be able to do, so that constraints can be added to it."""

    def add_variables(self, lower: Floats, upper: Floats, integer: Flags) -> Integers:
        """Add ``k`` variables with these bounds; return their column numbers, ``(k,)``."""

    def add_rows(self, row: Integers, column: Integers, value: Floats, lower: Floats, upper: Floats) -> None:
        """Add rows ``lower <= A x <= upper``; ``A[row, column] = value`` are the entries, rows counting from 0."""


@dataclass(frozen=True, eq=False)
class LinearRows:
    """A set of actions as ``lower <= A (a, y) <= upper``, with auxiliary variables ``y``.

    An action ``a`` in ``{0, 1}^N`` is in the set exactly if some ``y`` within its bounds satisfies all rows. The first ``N``
    columns are the action; the matrix is given by its entries.

    Rows that a solver's tolerances could blur are rewritten when they are made, as ``envs/cormab/constraints/exact.py`` tells:
    numbers may be of any size. More integer variables ``y`` may be added at the end, and continuous ones change their units.
    """

    num_actions: int
    """``N``."""
    row: Integers
    """Row of each entry, ``(e,)``."""
    column: Integers
    """Column of each entry, ``(e,)``."""
    value: Floats
    """Each entry, ``(e,)``; no two at the same place."""
    lower: Floats
    """Lower sides of the rows, ``(r,)``; ``-inf`` for none."""
    upper: Floats
    """Upper sides of the rows, ``(r,)``; ``inf`` for none."""
    auxiliary_lower: Floats
    """Lower bounds of the auxiliary variables, ``(k,)``."""
    auxiliary_upper: Floats
    """Upper bounds of the auxiliary variables, ``(k,)``."""
    auxiliary_integer: Flags
    """Which auxiliary variables must be integers, ``(k,)``."""

    def __post_init__(self) -> None:
        """Rewrite rows that need it."""
        size = self.num_actions
        given = Rows(
            self.row, self.column, self.value, self.lower, self.upper,
            np.concatenate([np.zeros(size), self.auxiliary_lower]), np.concatenate([np.ones(size), self.auxiliary_upper]),
            np.concatenate([np.ones(size, np.bool_), self.auxiliary_integer]),
        )  # fmt: skip
        found = sharpened(given)
        if found is given:
            return
        for name, values in zip(("row", "column", "value", "lower", "upper"), found[:5], strict=True):
            object.__setattr__(self, name, values)
        for name, bounds in zip(("auxiliary_lower", "auxiliary_upper", "auxiliary_integer"), found[5:], strict=True):
            object.__setattr__(self, name, bounds[size:])

    @cached_property
    def is_blurred(self) -> bool:
        """Whether a solver's tolerance may let through actions that are not in the set.

        So it may with continuous variables, if not all numbers are small integers.
        """
        numbers = np.concatenate([self.value, self.lower, self.upper, self.auxiliary_lower, self.auxiliary_upper])
        numbers = numbers[np.isfinite(numbers)]
        return bool((~self.auxiliary_integer).any() and ((numbers != np.rint(numbers)) | (np.abs(numbers) > LARGEST)).any())

    @property
    def num_columns(self) -> int:
        """Number of variables, ``N + k``."""
        return self.num_actions + self.auxiliary_lower.size

    def matrix(self) -> Any:
        """The matrix as a ``scipy.sparse.csr_array``, ``(r, N + k)``."""
        from scipy.sparse import csr_array

        return csr_array((self.value, (self.row, self.column)), shape=(self.lower.size, self.num_columns))

    def add_to(self, model: LinearModel, actions: Integers) -> Integers:
        """Write the rows into a model.

        Args:
            model: Any solver's, behind :class:`LinearModel`.
            actions: The model's binary columns that are the action, ``(N,)``.

        Returns:
            Columns of the auxiliary variables, ``(k,)``.

        Raises:
            ValueError: ``actions`` has the wrong length.
        """
        if np.shape(actions) != (self.num_actions,):
            raise ValueError(f"actions has shape {np.shape(actions)}; expected one column for each of {self.num_actions}")
        new = model.add_variables(self.auxiliary_lower, self.auxiliary_upper, self.auxiliary_integer)
        columns = np.concatenate([np.asarray(actions, np.int64), np.asarray(new, np.int64)])
        model.add_rows(self.row, columns[self.column], self.value, self.lower, self.upper)
        return columns[self.num_actions :]

    def solve(
        self, objective: Array, *, fixed: Array | None = None, accepts: Callable[[Flags], bool] | None = None
    ) -> Flags | None:
        """Maximise a linear function of the action exactly, with HiGHS.

        Args:
            objective: Coefficients of the action, ``(N,)``.
            fixed: An action, ``(N,)``, to which the first columns are fixed; None leaves them free.
            accepts: Tells whether an action ``(N,)`` is in the set. One that is not, but that the rows let through, is cut off,
                and the search goes on without it.

        Returns:
            An optimal action ``(N,)``, or None if the set is empty.

        Raises:
            RuntimeError: The solver gave up, or ever more actions are cut off.
        """
        cost = np.asarray(objective, np.float64)
        if fixed is not None:
            action = np.asarray(fixed, np.float64)
            return self._program.maximize(cost, action, action, accepts)

        def inside(action: Flags) -> bool:
            # With the action fixed there is nothing to be had from tolerances but the last digits.
            alone = not self.is_blurred or self.solve(np.zeros(self.num_actions), fixed=action) is not None
            return alone and (accepts is None or accepts(action))

        return self._program.maximize(cost, np.zeros(self.num_actions), np.ones(self.num_actions), inside)

    def complete(self, action: Array) -> Floats | None:
        """Values of the auxiliary variables ``(k,)`` that go with an action ``(N,)``; None if there are none."""
        return self._program.complete(np.asarray(action, np.float64))

    @cached_property
    def _program(self) -> Program:
        return Program(self)

    def __getstate__(self) -> dict[str, Any]:
        # A solver's model does not travel between processes.
        return {name: value for name, value in self.__dict__.items() if name != "_program"}


class RowBuilder:
    """Collects entries, rows and auxiliary variables."""

    def __init__(self, num_actions: int) -> None:
        """Begin with the ``N`` action columns and no rows."""
        self._num_actions = num_actions
        self._entries: list[tuple[Array, Array, Array]] = []
        self._lower: list[Array] = []
        self._upper: list[Array] = []
        self._auxiliary: list[tuple[Array, Array, Array]] = []
        self._columns = num_actions
        self._rows = 0

    def variables(self, upper: npt.ArrayLike, *, integer: bool) -> Integers:
        """Add nonnegative variables with these upper bounds, ``(k,)``; return their columns."""
        high = np.asarray(upper, np.float64)
        self._auxiliary.append((np.zeros(high.size), high, np.full(high.size, integer)))
        self._columns += high.size
        return np.arange(self._columns - high.size, self._columns)

    def rows(self, lower: npt.ArrayLike, upper: npt.ArrayLike, count: int) -> Integers:
        """Add ``count`` rows with these sides; return their numbers."""
        self._lower.append(np.broadcast_to(np.asarray(lower, np.float64), (count,)))
        self._upper.append(np.broadcast_to(np.asarray(upper, np.float64), (count,)))
        self._rows += count
        return np.arange(self._rows - count, self._rows)

    def entries(self, row: npt.ArrayLike, column: npt.ArrayLike, value: npt.ArrayLike) -> None:
        """Set entries, broadcast against each other."""
        parts = np.broadcast_arrays(np.asarray(row, np.int64), np.asarray(column, np.int64), np.asarray(value, np.float64))
        self._entries.append((parts[0].ravel(), parts[1].ravel(), parts[2].ravel()))

    def build(self) -> LinearRows:
        """Everything that was collected."""
        row, column, value = (_joined([part[k] for part in self._entries], kind) for k, kind in enumerate("iif"))
        low, high, integer = (_joined([part[k] for part in self._auxiliary], kind) for k, kind in enumerate("ffb"))
        return LinearRows(
            self._num_actions, row, column, value, _joined(self._lower, "f"), _joined(self._upper, "f"), low, high, integer
        )


def _joined(parts: list[Array], kind: str) -> Array:
    dtype: type[Any] = {"i": np.int64, "f": np.float64, "b": np.bool_}[kind]
    return np.concatenate([np.zeros(0, dtype), *(part.astype(dtype) for part in parts)])
