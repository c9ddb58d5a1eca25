"""The best action under a Q-network, by mixed-integer programming."""

from __future__ import annotations

import copy
import heapq
import math
import time
from collections.abc import Sequence
from threading import Lock
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from envs.cormab.constraints.program import MOST_CUTS
from morl.errors import CapabilityError, ConfigurationError, ShapeError
from morl.mip.bounds import Bounds, Region, tighten
from morl.mip.folded import Array, FoldedNetwork, ReLUNetwork, check_networks
from morl.mip.formulations import FORMULATIONS, Formulation
from morl.mip.model import QProgram, build
from morl.mip.objective import Pieces, pieces
from morl.mip.polytope import ActionPolytope
from morl.mip.program import Program
from morl.mip.query import OPTIMAL_GAP, MIPResult, Outcome, Query
from morl.mip.session import TOLERANCE, Session, Solution
from morl.mip.walk import walk

Method = Literal["auto", "enumerate", "program"]

LISTED = 1 << 16
"""Largest set whose actions are tried one by one."""
ROUNDS = 8
"""Of cutting off what is not better, at most."""
SPLITS = 32
"""Of what is left after that, at most; then a program is written."""
AGREEMENT = 1e-5
"""Relative difference between program and network above which an answer is refused."""


_BLOCK = 1 << 12  # actions that are valued at once, few enough for a cache
_FAR, _NEAR = 8, 2  # steps of a walk from any action, and from a good one
_PROGRESS = 0.01  # of the distance to the floor; what a round must bring for another one to follow
_CHECK = "envs.checks.check_constraint on a small one tells where its methods differ"
_INSIDE = 1e-5  # relative; how far inside a program's bounds the best known action is


class DisagreementError(RuntimeError):
    """Program, network and action set do not agree, beyond what tolerances explain; never returned as an answer."""


class Maximizer:
    """Answers ``argmax_a g(q(a))`` over one action set, again and again.

    The action set is looked at once: if it is small it is listed, and every query tries all of it. Otherwise a query looks for
    a proof that nothing is better than the best action that a heuristic finds (``bounds="cutoff"``), and only if there is none
    for an integer program. The solver keeps its model between queries as long as the networks keep their shapes; only numbers
    that changed are sent.
    """

    def __init__(
        self,
        constraint: Any,
        *,
        method: Method = "auto",
        formulation: Formulation = "big_m",
        bounds: Bounds = "cutoff",
    ) -> None:
        """Look at the action set.

        Args:
            constraint: See ``envs.cormab.constraints.Constraint``.
            method: ``enumerate`` tries every action, ``program`` writes a program; ``auto`` lists sets of up to ``LISTED``
                actions.
            formulation: ``big_m`` or ``partition``.
            bounds: ``interval``, ``polytope``, ``crown`` or ``lp``, each at least as tight as the one before and dearer; or
                ``cutoff``: those of ``crown`` over the actions that are better than a known one.

        Raises:
            ConfigurationError: An unknown name, or something else than a constraint.
            CapabilityError: ``enumerate`` for a set of more than ``LISTED`` actions.
        """
        for name, value, known in (
            ("method", method, get_args(Method)),
            ("formulation", formulation, tuple(FORMULATIONS)),
            ("bounds", bounds, get_args(Bounds)),
        ):
            if value not in known:
                raise ConfigurationError(f"{name} is {value!r}; expected one of {', '.join(known)}")
        if not all(hasattr(constraint, name) for name in ("num_actions", "rows", "contains", "maximize_linear")):
            raise ConfigurationError(f"constraint is {constraint!r}; expected one of envs.cormab.constraints")
        self.constraint = constraint
        self.polytope = ActionPolytope(constraint)
        self.formulation, self.bounds = formulation, bounds
        self.session = Session()
        self._lock = Lock()  # of twins together: constraints remember answers
        self.listed: npt.NDArray[np.bool_] | None = None
        """Every action, ``(A, N)``, if they are tried one by one."""
        if method != "program" and not self.polytope.is_empty:
            self.listed = constraint.enumerate(LISTED)
        if method == "enumerate" and self.listed is None and not self.polytope.is_empty:
            raise CapabilityError(f"{type(constraint).__name__} has more than {LISTED} actions; use the method auto or program")

    def twin(self) -> Maximizer:
        """Another one for the same set, to work beside this one: it has its own solver."""
        other = copy.copy(self)
        other.session = Session()
        return other

    def _oracle(self, coefficients: Array) -> npt.NDArray[np.bool_]:
        """The action that maximises a linear function."""
        with self._lock:
            found: npt.NDArray[np.bool_] = self.constraint.maximize_linear(coefficients)
        return found

    def _contains(self, action: npt.NDArray[Any]) -> bool:
        with self._lock:
            return bool(self.constraint.contains(action[None])[0])

    def program(self, networks: Sequence[FoldedNetwork], objective: Pieces, region: Region | None = None) -> QProgram:
        """Write the program of one query.

        Args:
            networks: At one observation.
            objective: ``g``, a function of all their outputs.
            region: Actions to which the program may be confined; all of them if None.
        """
        self._look(networks, objective)

        def write(given: Any = None) -> QProgram:
            return build(
                networks, objective, self.constraint, self.polytope,
                formulation=self.formulation, bounds=self.bounds, given=given,
                fixed=None if region is None else (region.zeros, region.ones),
            )  # fmt: skip

        if region is not None:
            return write(region.bounds)
        model = write()
        return write(tighten(networks, write, model.bounds)) if self.bounds == "lp" else model

    def _look(self, networks: Sequence[FoldedNetwork], objective: Pieces) -> None:
        """Check that networks, objective and action set belong together."""
        check_networks(networks)
        size, outputs = self.constraint.num_actions, sum(network.num_outputs for network in networks)
        if networks[0].num_actions != size:
            raise ShapeError(f"the network is for {networks[0].num_actions} action components, the constraint for {size}")
        if objective.slopes.shape[1] != outputs:
            raise ShapeError(f"the objective is for {objective.slopes.shape[1]} outputs, the networks have {outputs}")

    def __call__(
        self,
        networks: Sequence[FoldedNetwork],
        objective: Pieces,
        *,
        gap: float = OPTIMAL_GAP,
        time_limit: float | None = None,
        node_limit: int | None = None,
        start: npt.NDArray[Any] | None = None,
    ) -> MIPResult:
        """Maximise.

        Args:
            networks: At one observation.
            objective: ``g``, a function of all their outputs.
            gap: Relative gap at which the search may stop.
            time_limit: In seconds, writing the program included.
            node_limit: Nodes of the search tree.
            start: A feasible action ``(N,)`` to begin with, such as a heuristic's.

        Raises:
            DisagreementError: The answer's value is not what the program says, or the rows do not describe the set.
        """
        begin = time.perf_counter()
        self._look(networks, objective)
        if self.polytope.is_empty:
            return MIPResult(None, -math.inf, -math.inf, math.inf, "infeasible", time.perf_counter() - begin)
        deadline = math.inf if time_limit is None else begin + time_limit
        query = Query(networks, objective, gap, begin, deadline, rescale=self.listed is None)
        if start is None:
            query.offer(self.polytope.example)
        elif self._contains(np.asarray(start)):
            query.offer(np.asarray(start, np.bool_))
        else:
            raise ConfigurationError("start is not a feasible action; leave it out, or give one that the constraint contains")
        if self.listed is not None:
            end = self._try_all(query, self.listed)
        else:
            end = self._prove(query, node_limit, walked=start is not None) or self._search(query, node_limit)
            if not self._contains(query.action):
                raise DisagreementError(f"{type(self.constraint).__name__} holds less than it maximises over; {_CHECK}")
        return query.answer(end)

    def _try_all(self, query: Query, listed: npt.NDArray[np.bool_]) -> Outcome:
        """Value every action."""
        for first in range(0, len(listed), _BLOCK):
            if query.is_late():
                return Outcome("time_limit", math.inf)
            query.offer(listed[first : first + _BLOCK])
        return Outcome("optimal", query.value)

    def _prove(self, query: Query, node_limit: int | None, *, walked: bool) -> Outcome | None:
        """Look for a proof that nothing is better than the best known action by more than the gap; None if there is none."""
        if not walked and not query.is_late():
            query.offer(self._walk(query, query.action, _FAR))
        if self.bounds != "cutoff":
            return None
        region = Region(query.networks, query.objective, self.polytope)
        before = cut = -math.inf
        for number in range(ROUNDS):
            bound = max(region.upper, cut)
            if bound <= query.floor:
                return Outcome("optimal", bound)
            if query.is_late():
                return Outcome("time_limit", bound)
            if number > 1 and before - region.upper < _PROGRESS * (region.upper - query.floor):
                break
            before, cut = region.upper, max(cut, query.floor)
            region.shrink(query.floor)
            if number == 0 and not region.is_empty:
                # Only now, as many queries end before; from the best known action, and from the relaxation's.
                for action in (query.action, self._oracle(region.slopes[0])):
                    query.offer(self._walk(query, action, _NEAR))
        return self._branch(query, region, cut, SPLITS if node_limit is None else min(SPLITS, node_limit))

    def _branch(self, query: Query, region: Region, cut: float, limit: int) -> Outcome | None:
        """Split the region, the part with the largest bound first; None if that does not end within the limit."""
        heap = [(-region.upper, 0, region)]
        for number in range(limit + 1):
            bound = max(-heap[0][0], cut) if heap else cut
            if bound <= query.floor:
                return Outcome("optimal", bound, number)
            if query.is_late():
                return Outcome("time_limit", bound, number)
            if number == limit or not heap:
                break
            part = heapq.heappop(heap)[2]
            action = self._oracle(part.favoured())
            query.offer(action)
            halves = part.split(action)
            if halves is None:
                break
            cut = max(cut, query.floor)
            for side, half in enumerate(halves):
                half.shrink(query.floor)
                if half.upper > query.floor:
                    heapq.heappush(heap, (-half.upper, 2 * number + side, half))
        return None

    def _walk(self, query: Query, action: npt.NDArray[np.bool_], steps: int) -> npt.NDArray[np.bool_]:
        return walk(query.values, self._oracle, action, steps=steps, is_late=query.is_late)

    def _search(self, query: Query, node_limit: int | None) -> Outcome:
        """Solve a program."""
        region = None
        if self.bounds == "cutoff":
            # The best known action stays inside, so that the solver can begin with it, and that errors show.
            region = Region(query.networks, query.objective, self.polytope)
            for _ in range(ROUNDS):
                before = region.upper
                region.shrink(query.value - _INSIDE * (1.0 + abs(query.value)))
                if region.is_empty or before - region.upper < _PROGRESS * (region.upper - query.value):
                    break
            if region.is_empty:
                raise DisagreementError("bounds leave out an action that is known; please report this, or try other bounds")
        model = self.program(query.networks, query.objective, region)
        query.values(np.stack([self.polytope.example, self.polytope.other]))  # for the size of values, if few were met
        start = model.start(query.networks, query.action)
        program, bound = model.program, math.inf
        for tolerance in (TOLERANCE, 1e-2 * TOLERANCE):
            program, solution = self._solve(query, model, program, node_limit=node_limit, start=start, tolerance=tolerance)
            try:
                self._take(query, model, solution)
            except DisagreementError:
                if tolerance < TOLERANCE:
                    raise
                continue
            bound = min(bound, solution.bound)
            # What the tolerance lets through may have left more between value and bound than was asked for.
            if solution.status != "optimal" or bound - query.value <= max(query.gap, OPTIMAL_GAP) * query.size:
                break
        return Outcome(solution.status, bound, solution.nodes)

    def _solve(self, query: Query, model: QProgram, program: Program, **how: Any) -> tuple[Program, Solution]:
        """Solve until the answer is in the set: an action that only the solver's tolerance lets through is cut off."""
        for _ in range(MOST_CUTS):
            solution = self.session.solve(program, gap=query.gap, time_limit=query.time_left(), **how)
            if solution.columns is None:
                return program, solution
            action = solution.columns[model.actions] > 0.5
            if self._contains(action):
                return program, solution
            program = program.without(model.actions, action)
        raise DisagreementError(
            f"the rows of {type(self.constraint).__name__} allow more than {MOST_CUTS} better actions than it holds; {_CHECK}"
        )

    def _take(self, query: Query, model: QProgram, solution: Solution) -> None:
        """Look at what the solver found, and offer it; refuse an answer on which program and network do not agree."""
        if solution.status == "infeasible":
            raise DisagreementError("the program has no solution although the action set is not empty; please report this")
        if solution.columns is not None:
            action = solution.columns[model.actions] > 0.5
            value, objective, bound = float(query.values(action[None])[0]), solution.objective, solution.bound
            room = AGREEMENT * (1.0 + abs(value))
            # Units that the objective never gains from may lie above what they put out, so that the network can be better.
            if objective > value + room or value > bound + room:
                raise DisagreementError(
                    f"the program says {objective} (at most {bound}), the network says {value}; try other bounds, or "
                    "report this"
                )
            query.offer(action)


def maximize_q(
    network: Any,
    observation: Any,
    constraint: Any,
    *,
    weights: Any = None,
    scalarization: Any = None,
    ideal_point: Any = None,
    time_limit: float | None = None,
    node_limit: int | None = None,
    gap: float = OPTIMAL_GAP,
    method: Method = "auto",
    formulation: Formulation = "big_m",
    bounds: Bounds = "cutoff",
) -> MIPResult:
    """Find the feasible action that a Q-network values most.

    Args:
        network: A ``torch.nn.Sequential`` of Linear and ReLU layers on ``concat(action, observation)`` with ``m`` outputs,
            larger is better; or a list of such networks, of which the least favourable one counts (worst case over models).
        observation: Encoded observation ``(d,)``.
        constraint: The feasible actions; see ``envs.cormab.constraints``.
        weights: Preference ``(m,)``; equal weights if None.
        scalarization: ``WeightedSum`` (the default), ``Chebyshev`` or ``AugmentedChebyshev`` of :mod:`morl.scalarizations`.
        ideal_point: ``(m,)``, for scalarizations that need one.
        time_limit: Seconds after which the best action so far is returned.
        node_limit: Nodes of the search tree after which it is; reproducible, unlike a time limit.
        gap: Relative gap at which the search may stop.
        method: ``enumerate`` tries every action, ``program`` writes a program, ``auto`` chooses; see :class:`Maximizer`, which
            is faster for many observations.
        formulation: How units become rows: ``big_m`` or ``partition``.
        bounds: How units are bounded: ``interval``, ``polytope``, ``crown``, ``lp`` or ``cutoff``.

    Returns:
        The action with its value, which the network was asked for again in float64.

    Raises:
        ConfigurationError: A layer that is neither Linear nor ReLU, a number that is NaN or infinite, an unknown name.
        CapabilityError: A scalarization that is not the smallest of linear functions; more actions than can be listed.
        ShapeError: Lengths that do not fit.
        DisagreementError: Program and network disagree.

    Example:
        >>> import torch
        >>> from envs.cormab.constraints import Budget
        >>> network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
        >>> result = maximize_q(network, [0.5], Budget(2, 1))
        >>> result.status, bool(result.action.sum() <= 1)
        ('optimal', True)
    """
    for name, limit in (("time_limit", time_limit), ("node_limit", node_limit), ("gap", gap)):
        if limit is not None and not limit >= 0:
            raise ConfigurationError(f"{name} is {limit}; expected a nonnegative number")
    given = list(network) if isinstance(network, list | tuple) else [network]
    seen = observation.detach().cpu() if hasattr(observation, "detach") else observation
    state = np.asarray(seen, np.float64)
    if state.ndim != 1:
        raise ShapeError(f"observation has shape {state.shape}; expected one encoded observation (d,)")
    solver = Maximizer(constraint, method=method, formulation=formulation, bounds=bounds)
    names = ["network"] if len(given) == 1 else [f"network[{k}]" for k in range(len(given))]
    read = [ReLUNetwork.from_torch(part, name=name) for part, name in zip(given, names, strict=True)]
    networks = [part.fold(state, constraint.num_actions) for part in read]
    check_networks(networks)
    one = pieces(networks[0].num_outputs, weights=weights, scalarization=scalarization, ideal_point=ideal_point)
    return solver(
        networks, one.worst_of(len(networks)) if len(networks) > 1 else one,
        gap=gap, time_limit=time_limit, node_limit=node_limit,
    )  # fmt: skip
