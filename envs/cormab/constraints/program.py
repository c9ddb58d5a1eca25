"""Integer programs over linear rows, solved again and again by HiGHS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from envs.highs import quiet_highs

if TYPE_CHECKING:
    from envs.cormab.constraints.rows import LinearRows


class Program:
    """Keeps the model of one set of rows; from query to query only costs and bounds of the action change.

    An answer does not depend on earlier queries.
    """

    def __init__(self, rows: LinearRows) -> None:
        """Hand the rows to the solver."""
        import highspy

        self._size = rows.num_actions
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
        for option, value in (("mip_rel_gap", 0.0), ("mip_abs_gap", 1e-9)):
            self._highs.setOptionValue(option, value)
        self._highs.passModel(model)

    def maximize(
        self, objective: npt.NDArray[np.float64], lower: npt.NDArray[np.float64], upper: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.bool_] | None:
        """Find an action within bounds that maximises a linear function.

        Args:
            objective: Coefficients of the action, ``(N,)``.
            lower: ``(N,)``.
            upper: ``(N,)``.

        Returns:
            An optimal action ``(N,)``; None if there is no action.

        Raises:
            RuntimeError: The solver gave up.
        """
        import highspy

        highs, status = self._highs, highspy.HighsModelStatus
        highs.clearSolver()
        highs.changeColsCost(self._size, self._columns, objective)
        highs.changeColsBounds(self._size, self._columns, lower, upper)
        highs.run()
        found = highs.getModelStatus()
        # The function of a binary action is bounded.
        if found in (status.kInfeasible, status.kUnboundedOrInfeasible):
            return None
        if found != status.kOptimal:
            raise RuntimeError(f"the integer program was not solved: {highs.modelStatusToString(found)}")
        action: npt.NDArray[np.bool_] = np.asarray(highs.getSolution().col_value)[: self._size] > 0.5
        return action
