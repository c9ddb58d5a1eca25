"""Integer programs over linear rows, solved again and again by HiGHS."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from envs.arrays import Flags, Floats
from envs.highs import quiet_highs, run, trouble

if TYPE_CHECKING:
    from envs.cormab.constraints.rows import LinearRows

_TOLERANCE = 1e-6  # of rows and integrality, where integers up to 4,096 leave room for it
_LEAST_TOLERANCE = 1e-9
_ROOM = 0.1  # what the tolerance of integrality may change the left side of a row of integers
_BLURRED = 1e-7  # the tolerance of rows whose solutions are looked at again, by the least one
_SMALLEST_ENTRY = 1e-12
MOST_CUTS = 64
"""Actions that rows may allow and a set not hold, on the way to one answer, before the two count as different."""


class Program:
    """Keeps the model of one set of rows; from query to query only costs and bounds of the action change.

    An answer does not depend on earlier queries.
    """

    def __init__(self, rows: LinearRows) -> None:
        """Hand the rows to the solver."""
        import highspy

        self._size = rows.num_actions
        self._num_rows = rows.lower.size
        self._columns = np.arange(self._size, dtype=np.int32)
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        matrix = rows.matrix().tocsc()
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = rows.num_columns, rows.lower.size
        model.sense_ = highspy.ObjSense.kMaximize
        model.col_cost_ = np.zeros(rows.num_columns)
        model.col_lower_ = np.concatenate([np.zeros(self._size), rows.auxiliary_lower])
        model.col_upper_ = np.concatenate([np.ones(self._size), rows.auxiliary_upper])
        model.row_lower_, model.row_upper_ = rows.lower, rows.upper
        model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        model.a_matrix_.start_, model.a_matrix_.index_, model.a_matrix_.value_ = matrix.indptr, matrix.indices, matrix.data
        model.integrality_ = [kinds[1]] * self._size + [kinds[int(integer)] for integer in rows.auxiliary_integer]
        self._highs = quiet_highs()
        for option, value in (("mip_rel_gap", 0.0), ("mip_abs_gap", 1e-9), ("small_matrix_value", _SMALLEST_ENTRY)):
            self._highs.setOptionValue(option, value)
        sums = np.abs(matrix).sum(axis=1)
        wide = float(np.clip(_ROOM / max(sums.max(initial=0.0), 1.0), _LEAST_TOLERANCE, _TOLERANCE))
        self._tolerances = (min(wide, _BLURRED), _LEAST_TOLERANCE) if rows.is_blurred else (wide, wide)
        self._highs.passModel(model)

    def maximize(
        self,
        objective: Floats,
        lower: Floats,
        upper: Floats,
        accepts: Callable[[Flags], bool] | None = None,
    ) -> Flags | None:
        """Find an action within bounds that maximises a linear function.

        Args:
            objective: Coefficients of the action, ``(N,)``.
            lower: ``(N,)``.
            upper: ``(N,)``.
            accepts: Tells whether an action ``(N,)`` will do; one that will not is cut off.

        Returns:
            An optimal action ``(N,)``; None if there is no action.

        Raises:
            RuntimeError: The solver gave up, or ever more actions are cut off.
        """
        largest = float(np.abs(objective).max(initial=0.0))
        # Scaled, so that the solver's absolute tolerances do not depend on the units.
        cost = objective / largest if largest > 0 else objective
        cuts = 0
        try:
            while True:
                found = self._solve(cost, lower, upper)
                if found is None:
                    return None
                action: Flags = found[: self._size] > 0.5
                if accepts is None or accepts(action):
                    return action
                if cuts == MOST_CUTS:
                    raise RuntimeError(
                        f"the linear rows allow more than {cuts} better actions than the set holds; "
                        "envs.checks.check_constraint on a small one tells where they differ"
                    )
                # At least one component must differ.
                signs = np.where(action, -1.0, 1.0)
                self._highs.addRow(1.0 - float(action.sum()), np.inf, self._size, self._columns, signs)
                cuts += 1
        finally:
            if cuts:
                self._highs.deleteRows(cuts, np.arange(self._num_rows, self._num_rows + cuts, dtype=np.int32))

    def complete(self, action: Floats) -> Floats | None:
        """Values of the other columns ``(k,)`` with which an action ``(N,)`` satisfies the rows; None if there are none."""
        found = self._solve(np.zeros(self._size), action, action)
        return None if found is None else found[self._size :]

    def _solve(self, cost: Floats, lower: Floats, upper: Floats) -> Floats | None:
        import highspy

        highs, status = self._highs, highspy.HighsModelStatus
        tolerance = self._tolerances[int(lower is upper)]
        highs.clearSolver()
        highs.setOptionValue("mip_feasibility_tolerance", tolerance)
        highs.setOptionValue("primal_feasibility_tolerance", min(tolerance, _BLURRED))
        highs.changeColsCost(self._size, self._columns, cost)
        highs.changeColsBounds(self._size, self._columns, lower, upper)
        found = run(highs)
        # The function of a binary action is bounded.
        if found in (status.kInfeasible, status.kUnboundedOrInfeasible):
            return None
        if found != status.kOptimal:
            raise RuntimeError(f"the integer program was not solved: {trouble(highs)}")
        return np.array(highs.getSolution().col_value)
