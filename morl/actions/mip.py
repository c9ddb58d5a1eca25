"""The best action with a proof: by trying all of a small set, by bounds, or by mixed-integer programming."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any

import numpy as np
from torch import Tensor

from morl.actions.base import ActionMaximizer, ActionOptimizer, ActionProblem, as_tensor
from morl.actions.local_search import LocalSearch
from morl.errors import ConfigurationError
from morl.fields import CheckedFields, CountOrZero, NonNegative, Range
from morl.mip import Maximizer, MIPResult, pieces
from morl.mip.bounds import Bounds
from morl.mip.folded import check_networks
from morl.mip.formulations import Formulation
from morl.mip.maximize import Method
from morl.registry import component_field


@dataclass(frozen=True, kw_only=True)
class MIP(CheckedFields):
    """Exact answers, or answers with a proven gap; see :class:`morl.mip.Maximizer`. Members share the solver's model."""

    gap: NonNegative = 0.02
    """Relative gap at which a search may stop."""
    node_limit: CountOrZero | None = None
    """Nodes of a search tree; reproducible."""
    time_limit: Annotated[float, Range(ge=0.0, finite=False)] | None = None
    """Seconds per decision; what is found then depends on the machine, so keep it for deployment."""
    formulation: Formulation = "big_m"
    """How units become rows."""
    bounds: Bounds = "cutoff"
    """How units are bounded."""
    method: Method = "auto"
    """Whether small sets are tried action by action."""
    start: ActionOptimizer = component_field("action_optimizer", default=LocalSearch())
    """Finds the action that the search begins with."""
    workers: Annotated[int, Range(ge=1, le=1_024)] = 1
    """Threads that solve side by side, of use where programs are needed: the solver runs outside Python. Answers do not depend
    on it."""

    def make(self, constraint: Any) -> MIPMaximizer:
        """Prepare for an action set."""
        return MIPMaximizer(self, constraint)


class MIPMaximizer(ActionMaximizer):
    """Solves over one action set."""

    def __init__(self, settings: MIP, constraint: Any) -> None:
        """Look at the set, and make a session for each worker.

        Raises:
            ConfigurationError: The set is empty.
        """
        self.settings = settings
        first = Maximizer(constraint, method=settings.method, formulation=settings.formulation, bounds=settings.bounds)
        self._solvers = [first, *(first.twin() for _ in range(settings.workers - 1))]
        if first.polytope.is_empty:
            raise ConfigurationError(f"{type(constraint).__name__} holds no action at all; nothing can be decided")
        self.heuristic = settings.start.make(constraint)
        self.results: list[MIPResult] = []
        """Of the last call, by member and observation."""

    def __call__(self, problem: ActionProblem) -> Tensor:
        n, batch, size = problem.shape
        places = list(product(range(n), range(batch)))
        networks = [problem.values.network(member, observation) for member, observation in places]
        check_networks(networks)
        starts = None
        if self._solvers[0].listed is None:
            starts = self.heuristic(problem).cpu().numpy().reshape(n * batch, size)
        outputs = problem.weights.shape[1]
        objectives = [pieces(outputs, weights=w) for w in problem.weights]

        answers: dict[int, MIPResult] = {}

        def solve(worker: int) -> None:
            for number in range(worker, len(places), len(self._solvers)):
                answers[number] = self._solvers[worker](
                    [networks[number]], objectives[places[number][0]],
                    gap=self.settings.gap, node_limit=self.settings.node_limit, time_limit=self.settings.time_limit,
                    start=None if starts is None else starts[number],
                )  # fmt: skip

        if len(self._solvers) == 1:
            solve(0)
        else:
            with ThreadPoolExecutor(len(self._solvers)) as pool:
                list(pool.map(solve, range(len(self._solvers))))
        self.results = [answers[number] for number in range(len(places))]
        actions = np.array([result.action for result in self.results], np.bool_)
        found: Tensor = as_tensor(actions, problem.values.output.constant).view(n, batch, size)
        return found
