r"""The best action by rounding linear models of the network with the action set's exact linear oracle.

At an action :math:`a` the network is replaced by its differences :math:`c_j = Q(a_j = 1) - Q(a_j = 0)`, all other components
as they are; the feasible action that maximises :math:`c^\top a` is tried next, and kept if the network agrees that it is
better. All members and observations take their steps side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from morl.actions.base import ActionMaximizer, ActionProblem, as_tensor
from morl.errors import ConfigurationError
from morl.fields import CheckedFields, Repeats, RepeatsOrNone


@dataclass(frozen=True, kw_only=True)
class LocalSearch(CheckedFields):
    """Linear rounds, then single exchanges; finds good actions fast and proves nothing."""

    rounds: Repeats = 2
    """Linear models at most."""
    swaps: RepeatsOrNone = 0
    """Exchanges of one component for another (or additions or removals) at most, each the best of all."""
    oracle: Literal["exact", "greedy"] = "exact"
    """Who rounds: the set's exact linear maximiser, or adding components in order of their coefficient while that stays
    feasible. Greedy is for sets that hold all parts of their actions, and whose exact maximiser is an integer program."""

    def make(self, constraint: Any) -> LocalSearchMaximizer:
        """Prepare for an action set.

        Raises:
            ConfigurationError: A greedy oracle on a set without the null action.
        """
        return LocalSearchMaximizer(self, constraint)


class LocalSearchMaximizer(ActionMaximizer):
    """Searches over one action set."""

    def __init__(self, search: LocalSearch, constraint: Any) -> None:
        self.search, self.constraint = search, constraint
        null = np.zeros((1, constraint.num_actions), np.bool_)
        has_null = bool(constraint.contains(null)[0])
        if search.oracle == "greedy" and not has_null:
            raise ConfigurationError(
                f"{type(constraint).__name__} does not hold the null action, with which a greedy oracle begins; use exact"
            )
        self._first: npt.NDArray[np.bool_] = null[0] if has_null else constraint.maximize_linear(np.zeros(null.size))

    def __call__(self, problem: ActionProblem) -> Tensor:
        n, batch, size = problem.shape
        like = problem.values.output.constant
        actions = as_tensor(self._first, like).expand(n, batch, size)
        best = problem.scores(actions.unsqueeze(2)).squeeze(2)
        for _ in range(self.search.rounds):
            differences = (problem.flips(actions) - best.unsqueeze(-1)) * (1.0 - 2.0 * actions.to(like.dtype))
            found = self._round(differences.detach().reshape(-1, size).cpu().numpy().astype(np.float64))
            tried = as_tensor(found, like).view(n, batch, size)
            scores = problem.scores(tried.unsqueeze(2)).squeeze(2)
            better = scores > best
            if not bool(better.any()):
                break
            actions, best = torch.where(better.unsqueeze(-1), tried, actions), torch.where(better, scores, best)
        for _ in range(self.search.swaps):
            actions, best, improved = self._swap(problem, actions, best)
            if not improved:
                break
        return actions

    def _round(self, coefficients: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        if self.search.oracle == "exact":
            exact: npt.NDArray[np.bool_] = self.constraint.maximize_linear(coefficients)
            return exact
        rows = np.arange(len(coefficients))
        actions = np.zeros(coefficients.shape, np.bool_)
        for component in np.argsort(-coefficients, axis=1).T:
            gains = coefficients[rows, component] > 0
            if not gains.any():
                break
            tried = actions.copy()
            tried[rows, component] |= gains
            fits = self.constraint.contains(tried)
            actions[fits] = tried[fits]
        return actions

    def _swap(self, problem: ActionProblem, actions: Tensor, best: Tensor) -> tuple[Tensor, Tensor, bool]:
        """The best feasible single change or exchange of every action."""
        n, batch, size = problem.shape
        changes = _changes(size).to(actions.device)
        neighbours = actions.unsqueeze(2) ^ changes
        flat = neighbours.reshape(-1, size).cpu().numpy()
        feasible = torch.from_numpy(self.constraint.contains(flat)).to(actions.device).view(n, batch, -1)
        scores = problem.scores(neighbours).masked_fill(~feasible, -torch.inf)
        found, place = scores.max(-1)
        better = found > best
        chosen = torch.take_along_dim(neighbours, place[..., None, None], 2).squeeze(2)
        return torch.where(better.unsqueeze(-1), chosen, actions), torch.where(better, found, best), bool(better.any())


def _changes(size: int) -> Tensor:
    """Every single change and every pair of changes, ``(N (N + 1) / 2, N)`` bool."""
    one = torch.eye(size, dtype=torch.bool)
    first, second = torch.triu_indices(size, size, 1)
    return torch.cat([one, one[first] | one[second]])
