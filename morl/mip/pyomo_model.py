"""The same program as a Pyomo model, for users who want to add to it or to use another solver."""

from __future__ import annotations

from typing import Any

import numpy as np

from morl.mip.model import QProgram


def pyomo_model(model: QProgram) -> Any:
    """Write a program as a ``pyomo.environ.ConcreteModel``.

    Args:
        model: Of :meth:`morl.mip.Maximizer.program`.

    Returns:
        A model with ``x`` (all columns, by number), ``action`` (references to the ``N`` binaries of the action), ``rows`` and
        ``value``, the objective, which is maximised. Add what you like and solve it with any solver that Pyomo knows, such as
        ``pyomo.environ.SolverFactory("appsi_highs")``.
    """
    import pyomo.environ as pyo

    program = model.program
    made = pyo.ConcreteModel()

    made.x = pyo.Var(
        range(program.num_columns),
        bounds=lambda _, column: (_finite(program.column_lower[column]), _finite(program.column_upper[column])),
        domain=lambda _, column: pyo.Integers if program.integer[column] else pyo.Reals,
    )
    made.action = pyo.Reference([made.x[int(column)] for column in model.actions])
    order = np.argsort(program.row, kind="stable")
    edges = np.searchsorted(program.row[order], np.arange(program.num_rows + 1))

    def row(_: Any, number: int) -> Any:
        entries = order[edges[number] : edges[number + 1]]
        if not len(entries):
            return pyo.Constraint.Skip
        total = sum(float(program.value[e]) * made.x[int(program.column[e])] for e in entries)
        low, high = _finite(program.row_lower[number]), _finite(program.row_upper[number])
        if low is None and high is None:
            return pyo.Constraint.Skip
        return (low, total, high) if low != high else total == low

    made.rows = pyo.Constraint(range(program.num_rows), rule=row)
    paid = np.flatnonzero(program.cost)
    made.value = pyo.Objective(
        expr=program.offset + sum(float(program.cost[c]) * made.x[int(c)] for c in paid), sense=pyo.maximize
    )
    return made


def _finite(number: Any) -> float | None:
    return float(number) if np.isfinite(number) else None
