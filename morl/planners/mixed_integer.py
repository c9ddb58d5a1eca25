"""Exact optimum by a mixed-integer program on the time-expanded graph, solved by HiGHS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt

from envs.coverage.set_functions import (
    Coverage,
    FacilityLocation,
    GroupCap,
    Modular,
    SetFunction,
    Stack,
    Truncate,
    WeightedSum,
)
from envs.highs import is_worth_it, quiet_highs, run, trouble
from morl.errors import CapabilityError, ConfigurationError
from morl.fields import NonNegative, Range, Repeats
from morl.planners.beam_search import BeamSearch
from morl.planners.planner import Planner, Walks, walk

if TYPE_CHECKING:
    import highspy

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_SPAN = 2.0**10  # how far from 1 the largest coefficient may be


@dataclass(frozen=True, kw_only=True)
class MixedInteger(Planner):
    r"""The best walk, and the proof: a mixed-integer program over the time-expanded graph.

    A binary variable for every edge at every time, one unit of flow from the start through all layers, and continuous
    variables for the set function; coverage of cell ``c`` is

    .. math:: y_c \le [c \in D(s_0)] + \sum_{(u, v):\ c \in D(v) \setminus D(u)} \sum_h x_{h, u, v}, \qquad 0 \le y_c \le 1

    A cell is credited to the moves that bring it into sight, not to all positions that see it, which makes the relaxation
    much sharper. Modular functions, coverage, group caps, facility location, and their weighted sums, truncations and stacks
    can be written in this way; others are refused. The walk of :class:`BeamSearch` is the first incumbent.
    """

    time_limit: Annotated[float, Range(gt=0.0, finite=False)] = 60.0
    """Seconds for HiGHS; after that the best walk and bound so far are returned, with status ``limit``."""
    gap: NonNegative = 1e-6
    """Relative difference of bound and value at which the optimum counts as proved."""
    relaxation: bool = False
    """Solve the linear relaxation only: the bound, and the walk of the beam search."""
    width: Repeats = 300
    """Of the beam search."""

    def _plan(self, walks: Walks) -> dict[str, Any]:
        walks.require_deterministic("the mixed-integer program")
        incumbent = BeamSearch(width=self.width)._plan(walks)
        graph = _TimeExpanded(walks, integer=not self.relaxation)
        terms = linear_form(walks.function, graph)
        for term, weight in zip(terms, walks.weights.tolist(), strict=True):
            graph.maximize(term, weight)
        bound, solution = graph.solve(self, None if self.relaxation else incumbent["nodes"])
        found = incumbent
        if solution is not None and not self.relaxation:
            exact = walk(walks, graph.actions(solution))
            found = exact if exact["value"] > incumbent["value"] else incumbent
        bound = max(bound, found["value"])  # what is proved holds up to the solver's own rounding
        proved = bound - found["value"] <= self.gap * max(min(1.0, graph.largest), abs(bound))
        return {**found, "bound": bound, "status": "optimal" if proved else "limit"}


@dataclass
class Term:
    """A linear expression: constant plus coefficients times columns."""

    columns: Ints
    coefficients: Floats
    constant: float = 0.0


class _TimeExpanded:
    """The program: columns and rows so far, and the flow through the layers."""

    def __init__(self, walks: Walks, *, integer: bool) -> None:
        self._upper: list[Floats] = []
        self._integer: list[npt.NDArray[np.bool_]] = []
        self._rows: list[tuple[float, float, Ints, Floats]] = []
        self._cost: list[tuple[Ints, Floats]] = []
        self._constant = 0.0
        self.largest = 0.0
        """Largest coefficient of the objective."""
        self.num_columns = 0
        self.start = walks.start
        self.num_nodes = walks.successors.shape[0]
        self._walks = walks
        successors = walks.successors.numpy()
        origins = np.repeat(np.arange(self.num_nodes), successors.shape[1])
        pairs, first = np.unique(np.stack([origins, successors.ravel()], 1), axis=0, return_index=True)
        self.origins, self.targets = pairs.T
        """Ends of the different edges, ``(number of edges,)``."""
        self._edge_actions = first % successors.shape[1]
        self._layers(integer)

    def _layers(self, integer: bool) -> None:
        reached = self._walks.reachable().numpy()
        self._times: list[tuple[Ints, Ints]] = []
        for step in range(self._walks.horizon):
            edges = np.flatnonzero(reached[step][self.origins])
            columns = self.columns(edges.size, upper=1.0, integer=integer)
            for node in np.flatnonzero(reached[step]):
                out = columns[self.origins[edges] == node]
                if not step:
                    self.row(1.0, 1.0, out, np.ones(out.size))
                else:
                    before, arriving = self._times[-1]
                    into = arriving[self.targets[before] == node]
                    self.row(0.0, 0.0, np.append(out, into), np.append(np.ones(out.size), -np.ones(into.size)))
            self._times.append((edges, columns))
        # How often an edge is used in all.
        self.edges = self.columns(self.origins.size, upper=np.inf)
        for edge, column in enumerate(self.edges):
            used = np.concatenate([columns[edges == edge] for edges, columns in self._times])
            self.row(0.0, 0.0, np.append(used, column), np.append(np.ones(used.size), -1.0))

    def columns(self, number: int, *, upper: float | Floats, integer: bool = False) -> Ints:
        """Add nonnegative columns and return their numbers."""
        self._upper.append(np.broadcast_to(np.asarray(upper, np.float64), number).copy())
        self._integer.append(np.full(number, integer))
        self.num_columns += number
        return np.arange(self.num_columns - number, self.num_columns)

    def row(self, lower: float, upper: float, columns: Ints, coefficients: Floats) -> None:
        """Add a row ``lower <= coefficients . columns <= upper``."""
        self._rows.append((lower, upper, columns, coefficients))

    def at_most(self, column: int, uses: Ints, given: float) -> None:
        """A column is at most a number plus how often some edges are used."""
        self.row(-np.inf, given, np.append(column, self.edges[uses]), np.append(1.0, -np.ones(uses.size)))

    def visited(self) -> Ints:
        """Columns that can be 1 only where somebody has been, ``(V,)``."""
        seen = self.columns(self.num_nodes, upper=1.0)
        for node in range(self.num_nodes):
            uses = np.flatnonzero((self.targets == node) & (self.origins != node))
            self.at_most(int(seen[node]), uses, float(node == self.start))
        return seen

    def maximize(self, term: Term, weight: float) -> None:
        """Add a term to the objective."""
        self._cost.append((term.columns, weight * term.coefficients))
        self.largest = max(self.largest, float(np.abs(weight * term.coefficients).max(initial=0.0)))
        self._constant += weight * term.constant

    def solve(self, planner: MixedInteger, incumbent: Ints | None) -> tuple[float, Floats | None]:
        """Run HiGHS; returns the bound and the best solution, if there is one."""
        import highspy

        solver = quiet_highs()
        solver.setOptionValue("time_limit", planner.time_limit)
        solver.setOptionValue("mip_rel_gap", planner.gap)
        solver.setOptionValue("mip_abs_gap", 0.0)
        if planner.relaxation:
            solver.setOptionValue("solver", "ipx")
        unit = _unit(self.largest)
        model = self._model(unit)
        solver.passModel(model)
        if incumbent is not None:
            places = np.concatenate([columns for _, columns in self._times]).astype(np.int32)
            solver.setSolution(places.size, places, self._flow(incumbent)[places])
        status, information = run(solver), solver.getInfo()
        if incumbent is not None and not is_worth_it(solver, np.asarray(model.col_cost_), model.offset_):
            solver.clearSolver()
            status, information = run(solver), solver.getInfo()
        if status not in (highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kTimeLimit):
            raise RuntimeError(f"the program of the planner was not solved: {trouble(solver)}")
        if planner.relaxation:
            if status != highspy.HighsModelStatus.kOptimal:
                raise ConfigurationError(
                    f"the linear relaxation was not solved within {planner.time_limit:g} seconds; raise time_limit"
                )
            return unit * float(information.objective_function_value), None
        found = information.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        return unit * float(information.mip_dual_bound), np.array(solver.getSolution().col_value) if found else None

    def _model(self, unit: float) -> highspy.HighsLp:
        import highspy

        model = highspy.HighsLp()
        cost = np.zeros(self.num_columns)
        for columns, coefficients in self._cost:
            np.add.at(cost, columns, coefficients)
        integer = np.concatenate(self._integer)
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        model.num_col_, model.num_row_ = self.num_columns, len(self._rows)
        model.col_cost_, model.offset_ = cost / unit, self._constant / unit
        model.col_lower_, model.col_upper_ = np.zeros(self.num_columns), np.concatenate(self._upper)
        if integer.any():
            model.integrality_ = [kinds[flag] for flag in integer.tolist()]
        model.row_lower_, model.row_upper_ = (np.array([row[side] for row in self._rows]) for side in (0, 1))
        model.sense_ = highspy.ObjSense.kMaximize
        model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        model.a_matrix_.start_ = np.cumsum([0, *(row[2].size for row in self._rows)]).astype(np.int32)
        model.a_matrix_.index_ = np.concatenate([row[2] for row in self._rows]).astype(np.int32)
        model.a_matrix_.value_ = np.concatenate([row[3] for row in self._rows])
        return model

    def _flow(self, nodes: Ints) -> Floats:
        """The flow of a walk, ``(number of columns,)``."""
        flow = np.zeros(self.num_columns)
        for (edges, columns), origin, target in zip(self._times, nodes[:-1], nodes[1:], strict=True):
            flow[columns[(self.origins[edges] == origin) & (self.targets[edges] == target)]] = 1.0
        return flow

    def actions(self, solution: Floats) -> Ints:
        """The actions of a flow, ``(H,)``."""
        node, actions = self.start, []
        for edges, columns in self._times:
            here = self.origins[edges] == node
            edge = edges[here][solution[columns[here]].argmax()]
            actions.append(self._edge_actions[edge])
            node = self.targets[edge]
        return np.array(actions)


def _unit(largest: float) -> float:
    """In what to measure numbers so that a solver's absolute tolerances suit them; 1 where they do anyway."""
    return 1.0 if largest == 0.0 or 1.0 / _SPAN <= largest <= _SPAN else float(2.0 ** np.round(np.log2(largest)))


def linear_form(function: SetFunction, graph: _TimeExpanded) -> list[Term]:
    """Write a set function with linear rows; what a walk is worth is the largest value they allow.

    Returns:
        One term per objective.

    Raises:
        CapabilityError: The function has no such form.
    """
    for kind, form in _FORMS.items():
        if isinstance(function, kind):
            return form(function, graph)
    known = ", ".join(kind.__name__ for kind in _FORMS)
    raise CapabilityError(
        f"{type(function).__name__} has no linear form; the mixed-integer program knows {known}. Use BeamSearch, or "
        "Exhaustive on a small world"
    )


def _modular(function: Modular, graph: _TimeExpanded) -> list[Term]:
    weights = function.singletons()[:, 0].numpy()
    return [Term(graph.edges, weights[graph.targets], float(weights[graph.start]))]


def _coverage(function: Coverage, graph: _TimeExpanded) -> list[Term]:
    weights = function.weights.numpy()
    sees = np.zeros((graph.num_nodes, weights.size + 1), np.bool_)
    np.put_along_axis(sees, function.cells.numpy(), True, 1)
    columns = graph.columns(weights.size, upper=1.0)
    for cell, column in enumerate(columns):
        uses = np.flatnonzero(sees[graph.targets, cell] & ~sees[graph.origins, cell])
        graph.at_most(int(column), uses, float(sees[graph.start, cell]))
    return [Term(columns, weights)]


def _group_cap(function: GroupCap, graph: _TimeExpanded) -> list[Term]:
    groups, caps = function.groups.numpy(), function.caps.numpy()
    seen, totals = graph.visited(), graph.columns(caps.size - 1, upper=caps[:-1].astype(np.float64))
    for group, total in enumerate(totals):
        members = seen[groups == group]
        graph.row(-np.inf, 0.0, np.append(total, members), np.append(1.0, -np.ones(members.size)))
    return [Term(totals, np.ones(totals.size))]


def _facility_location(function: FacilityLocation, graph: _TimeExpanded) -> list[Term]:
    similarity = function.similarity.numpy()
    seen = graph.visited()
    serves = graph.columns(similarity.size, upper=1.0).reshape(similarity.shape)
    for node, row in enumerate(serves):
        for column in row:
            graph.row(-np.inf, 0.0, np.array([column, seen[node]]), np.array([1.0, -1.0]))
    for client in serves.T:
        graph.row(-np.inf, 1.0, client, np.ones(client.size))
    return [Term(serves.ravel(), similarity.ravel())]


def _weighted_sum(function: WeightedSum, graph: _TimeExpanded) -> list[Term]:
    parts = [linear_form(part, graph) for part in function.functions]
    weights = function.weights.tolist()
    return [
        Term(
            np.concatenate([term.columns for term in terms]),
            np.concatenate([weight * term.coefficients for weight, term in zip(weights, terms, strict=True)]),
            sum(weight * term.constant for weight, term in zip(weights, terms, strict=True)),
        )
        for terms in zip(*parts, strict=True)
    ]


def _truncate(function: Truncate, graph: _TimeExpanded) -> list[Term]:
    found = []
    for term in linear_form(function.functions[0], graph):
        unit = _unit(float(np.abs(term.coefficients).max(initial=0.0)))
        (column,) = graph.columns(1, upper=function.level / unit)
        graph.row(-np.inf, term.constant / unit, np.append(column, term.columns), np.append(1.0, -term.coefficients / unit))
        found.append(Term(np.array([column]), np.full(1, unit)))
    return found


_FORMS: dict[type[SetFunction], Callable[[Any, _TimeExpanded], list[Term]]] = {
    Modular: _modular,
    Coverage: _coverage,
    GroupCap: _group_cap,
    FacilityLocation: _facility_location,
    WeightedSum: _weighted_sum,
    Truncate: _truncate,
    Stack: lambda function, graph: [term for part in function.functions for term in linear_form(part, graph)],
}
