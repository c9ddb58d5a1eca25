"""The best action under a Q-network, by mixed-integer programming."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from morl.errors import ConfigurationError, ShapeError
from morl.mip.bounds import Bounds, tighten
from morl.mip.folded import FoldedNetwork, ReLUNetwork, check_networks
from morl.mip.formulations import FORMULATIONS, Formulation
from morl.mip.model import QProgram, build
from morl.mip.objective import Pieces, pieces
from morl.mip.polytope import ActionPolytope
from morl.mip.session import Session

Array = npt.NDArray[np.float64]
Status = Literal["optimal", "gap", "time_limit", "node_limit", "infeasible"]

OPTIMAL_GAP = 1e-6
"""Relative gap up to which an answer is called optimal."""
AGREEMENT = 1e-5
"""Relative difference between program and network above which an answer is refused."""


class DisagreementError(RuntimeError):
    """The program's answer is infeasible, or its value is not the network's; never returned as an answer."""


@dataclass(frozen=True, eq=False)
class MIPResult:
    """An action, what it is worth, and how much better another one could be."""

    action: npt.NDArray[np.int8] | None
    """Best action found, ``(N,)`` of zeros and ones, feasible; None if the set is empty."""
    value: float
    """Its scalarised value, by the network itself in float64; ``-inf`` without an action."""
    bound: float
    """No feasible action is worth more than this, up to the solver's tolerances."""
    gap: float
    """``(bound - value) / max(|value|, 1e-10)``, at least 0; infinite without an action."""
    status: Status
    """``optimal``: the gap is at most 1e-6; ``gap``: at most what was asked for; ``time_limit`` or ``node_limit``: stopped
    earlier, with the best action so far; ``infeasible``: there is no feasible action."""
    seconds: float
    """Wall time, writing the program included."""
    nodes: int = 0
    """Of the search tree."""


class Maximizer:
    """Answers ``argmax_a g(q(a))`` over one action set, again and again.

    The action set is looked at once. The solver keeps its model between queries as long as the networks keep their shapes; only
    numbers that changed are sent.
    """

    def __init__(self, constraint: Any, *, formulation: Formulation = "big_m", bounds: Bounds = "crown") -> None:
        """Look at the action set.

        Args:
            constraint: See ``envs.cormab.constraints.Constraint``.
            formulation: ``big_m`` or ``partition``.
            bounds: ``interval``, ``polytope``, ``crown`` or ``lp``, each at least as tight as the one before and dearer.

        Raises:
            ConfigurationError: An unknown name.
        """
        for name, value, known in (
            ("formulation", formulation, tuple(FORMULATIONS)),
            ("bounds", bounds, get_args(Bounds)),
        ):
            if value not in known:
                raise ConfigurationError(f"{name} is {value!r}; expected one of {', '.join(known)}")
        self.constraint = constraint
        self.polytope = ActionPolytope(constraint)
        self.formulation, self.bounds = formulation, bounds
        self.session = Session()

    def program(self, networks: Sequence[FoldedNetwork], objective: Pieces) -> QProgram:
        """Write the program of one query.

        Args:
            networks: At one observation.
            objective: ``g``, a function of all their outputs.
        """
        check_networks(networks)
        size, outputs = self.polytope.num_actions, sum(network.num_outputs for network in networks)
        if networks[0].num_actions != size:
            raise ShapeError(f"the network is for {networks[0].num_actions} action components, the constraint for {size}")
        if objective.slopes.shape[1] != outputs:
            raise ShapeError(f"the objective is for {objective.slopes.shape[1]} outputs, the networks have {outputs}")

        def write(given: Any = None) -> QProgram:
            return build(
                networks, objective, self.constraint, self.polytope,
                formulation=self.formulation, bounds=self.bounds, given=given,
            )  # fmt: skip

        model = write()
        return write(tighten(networks, write, model.bounds)) if self.bounds == "lp" else model

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
            DisagreementError: The answer is infeasible, or its value is not what the program says.
        """
        begin = time.perf_counter()
        if self.polytope.is_empty:
            return MIPResult(None, -math.inf, -math.inf, math.inf, "infeasible", time.perf_counter() - begin)
        model = self.program(networks, objective)
        first = self.polytope.example if start is None else np.asarray(start)
        if start is not None and not bool(self.constraint.contains(first[None])[0]):
            raise ConfigurationError("start is not a feasible action; leave it out, or give one that the constraint contains")
        left = None if time_limit is None else time_limit - (time.perf_counter() - begin)
        solution = self.session.solve(
            model.program, gap=gap, time_limit=left, node_limit=node_limit, start=model.start(networks, first)
        )
        if solution.status == "infeasible":
            raise DisagreementError("the program has no solution although the action set is not empty; please report this")
        candidates = [first]
        if solution.columns is not None:
            candidates.insert(0, solution.columns[model.actions] > 0.5)
        actions = np.stack(candidates).astype(np.int8)
        values = objective(np.concatenate([network(actions) for network in networks], axis=-1))
        if solution.columns is not None:
            self._check(actions[0], float(values[0]), solution.objective, solution.bound)
        best = int(values.argmax())
        value = float(values[best])
        bound = max(solution.bound, value)
        remaining = (bound - value) / max(abs(value), 1e-10)
        status: Any = solution.status
        if status == "optimal":
            status = "optimal" if remaining <= OPTIMAL_GAP else "gap"
        return MIPResult(actions[best], value, bound, remaining, status, time.perf_counter() - begin, solution.nodes)

    def _check(self, action: npt.NDArray[np.int8], value: float, objective: float, bound: float) -> None:
        """Refuse answers on which program, network and constraint do not agree."""
        if not bool(self.constraint.contains(action[None])[0]):
            raise DisagreementError("the program's action is not feasible by the constraint's own check; please report this")
        room = AGREEMENT * (1.0 + abs(value))
        # Units that the objective never gains from may lie above what they put out, so that the network can be better.
        if objective > value + room or value > bound + room:
            raise DisagreementError(
                f"the program says {objective} (at most {bound}), the network says {value}; try other bounds, or report this"
            )


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
    formulation: Formulation = "big_m",
    bounds: Bounds = "crown",
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
        formulation: How units become rows: ``big_m`` or ``partition``.
        bounds: How units are bounded: ``interval``, ``polytope``, ``crown`` or ``lp``.

    Returns:
        The action with its value, which the network was asked for again in float64.

    Raises:
        ConfigurationError: A layer that is neither Linear nor ReLU, a number that is NaN or infinite, an unknown name.
        CapabilityError: A scalarization that is not the smallest of linear functions.
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
    names = ["network"] if len(given) == 1 else [f"network[{k}]" for k in range(len(given))]
    read = [ReLUNetwork.from_torch(part, name=name) for part, name in zip(given, names, strict=True)]
    networks = [part.fold(state, constraint.num_actions) for part in read]
    check_networks(networks)
    one = pieces(networks[0].num_outputs, weights=weights, scalarization=scalarization, ideal_point=ideal_point)
    solver = Maximizer(constraint, formulation=formulation, bounds=bounds)
    return solver(
        networks, one.worst_of(len(networks)) if len(networks) > 1 else one,
        gap=gap, time_limit=time_limit, node_limit=node_limit,
    )  # fmt: skip
