"""At most so many components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.arguments import whole
from envs.arrays import Flags, Floats
from envs.cormab.constraints.base import Actions, DownwardClosed
from envs.cormab.constraints.rows import LinearRows, RowBuilder


@dataclass(frozen=True, eq=False)
class Budget(DownwardClosed):
    """At most ``budget`` of the ``size`` components may be one: the restless bandit that decouples across arms."""

    size: int
    """Number of components, ``N``."""
    budget: int
    """Largest number of ones, from 0 to ``size``."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", whole("size", self.size, least=1))
        object.__setattr__(self, "budget", whole("budget", self.budget, least=0, most=self.size))

    @property
    def num_actions(self) -> int:
        return self.size

    def rows(self) -> LinearRows:
        """One row."""
        builder = RowBuilder(self.size)
        builder.entries(builder.rows(-np.inf, self.budget, 1), np.arange(self.size), 1.0)
        return builder.build()

    def _contains(self, actions: Actions) -> Flags:
        within: Flags = np.count_nonzero(actions, axis=1) <= self.budget
        return within

    def sample_large(self, rng: np.random.Generator, size: int) -> Actions:
        """Actions that use up the budget."""
        return random_subsets(rng, size, self.size, self.budget)

    def _assignment(self, action: Flags) -> list[dict[str, int]]:
        return [{"arm": arm} for arm in np.flatnonzero(action).tolist()]

    def _maximize(self, coefficients: Floats) -> Actions:
        return largest(coefficients, self.budget) & (coefficients > 0)


def random_subsets(rng: np.random.Generator, size: int, num_actions: int, count: int) -> Actions:
    """Uniformly drawn actions with ``count`` ones, ``(size, num_actions)``."""
    return np.argsort(np.argsort(rng.random((size, num_actions)), axis=1), axis=1) < count


def largest(coefficients: npt.NDArray[Any], count: int) -> Actions:
    """Ones at the ``count`` largest coefficients of each row ``(B, N)``; of equal ones the first."""
    actions = np.zeros(coefficients.shape, np.bool_)
    np.put_along_axis(actions, np.argsort(-coefficients, axis=1, kind="stable")[:, :count], True, axis=1)
    return actions
