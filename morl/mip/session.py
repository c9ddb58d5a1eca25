"""HiGHS sessions: a model that is kept, to which only what changed is sent."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from envs.highs import is_worth_it, quiet_highs, run, trouble
from morl.mip.program import Array, Index, Program

TOLERANCE = 1e-7
"""Feasibility and integrality tolerance, ten times as large in a last try: what a switched-off unit may let through is this
times its bound."""


@dataclass(frozen=True, eq=False)
class Solution:
    """What the solver found."""

    status: str
    """``optimal`` (within the gap asked for), ``time_limit``, ``node_limit`` or ``infeasible``."""
    columns: Array | None
    """Values of the columns; None if there is no solution."""
    objective: float
    """Of these values; ``-inf`` without any."""
    bound: float
    """No solution is better."""
    nodes: int
    """Of the search tree."""
    seconds: float
    """Inside the solver."""


class Session:
    """One HiGHS instance for programs of one pattern.

    A program of another pattern is passed as a whole; otherwise only numbers that differ from the last program's are sent. The
    answer does not depend on what was solved before: the solver's memory is cleared, its random seed is fixed, it has one
    thread.
    """

    def __init__(self) -> None:
        self._highs = _quiet()
        self._sent: Program | None = None
        self.passed = self.changed = 0
        """How many programs were passed as a whole, and how many by their changes."""

    def solve(
        self,
        program: Program,
        *,
        gap: float,
        time_limit: float | None = None,
        node_limit: int | None = None,
        start: tuple[Index, Array] | None = None,
        tolerance: float = TOLERANCE,
    ) -> Solution:
        """Maximise.

        Args:
            program: The program.
            gap: Relative gap at which the search stops.
            time_limit: In seconds.
            node_limit: Nodes of the search tree; reproducible, unlike a time limit.
            start: Values of some columns that a feasible solution can have.
            tolerance: Of rows and integrality, at first.

        Raises:
            RuntimeError: The solver failed.
        """
        import highspy

        begin = time.perf_counter()
        highs = self._highs
        self._send(program)
        highs.setOptionValue("mip_rel_gap", gap)
        highs.setOptionValue("mip_max_nodes", 2**31 - 1 if node_limit is None else node_limit)
        for allowed, begun in ((tolerance, start), (tolerance, None), (10 * tolerance, None)):
            highs.clearSolver()
            highs.setOptionValue("mip_feasibility_tolerance", allowed)
            highs.setOptionValue("primal_feasibility_tolerance", min(allowed, TOLERANCE))
            left = math.inf if time_limit is None else max(time_limit - (time.perf_counter() - begin), 0.0)
            highs.setOptionValue("time_limit", left)
            if begun is not None:
                highs.setSolution(len(begun[0]), begun[0].astype(np.int32), begun[1])
            status, info = run(highs), highs.getInfo()
            # HiGHS refuses its own answer if that violates a row by its tolerance and a rounding error.
            if status != highspy.HighsModelStatus.kSolveError and is_worth_it(highs, program.cost, program.offset):
                break
        names = {
            highspy.HighsModelStatus.kOptimal: "optimal",
            highspy.HighsModelStatus.kTimeLimit: "time_limit",
            highspy.HighsModelStatus.kSolutionLimit: "node_limit",
            highspy.HighsModelStatus.kInfeasible: "infeasible",
        }
        if status not in names:
            raise RuntimeError(f"the integer program was not solved: {trouble(highs)}")
        has = info.primal_solution_status == 2  # a feasible point
        columns = np.array(highs.getSolution().col_value) if has and names[status] != "infeasible" else None
        integral = bool(program.integer.any())
        objective = float(info.objective_function_value) if columns is not None else -math.inf
        bound = float(info.mip_dual_bound) if integral else objective
        if names[status] == "infeasible":
            bound = -math.inf
        elif not math.isfinite(bound) or abs(bound) >= 1e30:
            bound = math.inf
        nodes = int(info.mip_node_count) if integral else 0
        return Solution(names[status], columns, objective, bound, nodes, time.perf_counter() - begin)

    def _send(self, program: Program) -> None:
        last = self._sent
        if last is None or not program.has_pattern_of(last):
            _pass(self._highs, program)
            self.passed += 1
        else:
            _change(self._highs, last, program)
            self.changed += 1
        self._sent = program


class LinearProgram:
    """A linear program whose objective changes; the basis is kept."""

    def __init__(self, program: Program) -> None:
        """Pass the program without its objective."""
        self._highs = _quiet()
        _pass(self._highs, program)
        self._size = program.num_columns
        self._all = np.arange(self._size, dtype=np.int32)

    def maximize(self, columns: Index, coefficients: Array) -> float | None:
        """Largest value of a linear function; None if the solver did not prove one."""
        import highspy

        cost = np.zeros(self._size)
        cost[columns] = coefficients
        self._highs.changeColsCost(self._size, self._all, cost)
        self._highs.changeObjectiveOffset(0.0)
        if run(self._highs) != highspy.HighsModelStatus.kOptimal:
            return None
        return float(self._highs.getInfo().objective_function_value)


def _quiet() -> Any:
    highs = quiet_highs()
    for option, value in (
        ("parallel", "off"),
        ("random_seed", 0),
        ("primal_feasibility_tolerance", TOLERANCE),
        ("mip_abs_gap", 1e-9),
        # Good actions are known beforehand; and presolving the small programs of these heuristics may never end in HiGHS 1.16
        # (HPresolve::strengthenInequalities), whatever the time limit.
        ("mip_heuristic_run_rins", False),
        ("mip_heuristic_run_rens", False),
        ("mip_heuristic_run_root_reduced_cost", False),
    ):
        highs.setOptionValue(option, value)
    return highs


def _pass(highs: Any, program: Program) -> None:
    import highspy

    order = np.lexsort((program.row, program.column))
    starts = np.searchsorted(program.column[order], np.arange(program.num_columns + 1))
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = program.num_columns, program.num_rows
    model.col_cost_, model.offset_ = program.cost, program.offset
    model.col_lower_, model.col_upper_ = program.column_lower, program.column_upper
    model.row_lower_, model.row_upper_ = program.row_lower, program.row_upper
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_ = starts.astype(np.int32)
    model.a_matrix_.index_ = program.row[order].astype(np.int32)
    model.a_matrix_.value_ = program.value[order]
    model.sense_ = highspy.ObjSense.kMaximize
    if program.integer.any():
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        model.integrality_ = [kinds[int(flag)] for flag in program.integer]
    if highs.passModel(model) == highspy.HighsStatus.kError:
        raise RuntimeError("HiGHS does not accept the program; please report this")


def _change(highs: Any, last: Program, program: Program) -> None:
    for place in np.flatnonzero(program.value != last.value):
        highs.changeCoeff(int(program.row[place]), int(program.column[place]), float(program.value[place]))
    for change, *names in (
        (highs.changeRowsBounds, "row_lower", "row_upper"),
        (highs.changeColsBounds, "column_lower", "column_upper"),
        (highs.changeColsCost, "cost"),
        (highs.changeColsIntegrality, "integer"),
    ):
        now = [getattr(program, name) for name in names]
        moved = np.any([new != getattr(last, name) for new, name in zip(now, names, strict=True)], axis=0)
        places = np.flatnonzero(moved).astype(np.int32)
        if len(places):
            # Integrality is a number of its own kind.
            change(len(places), places, *(new[places].astype(np.uint8 if new.dtype == np.bool_ else np.float64) for new in now))
    highs.changeObjectiveOffset(program.offset)
