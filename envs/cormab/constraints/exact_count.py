"""Exactly so many components."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain, combinations

import numpy as np

from envs.arguments import whole
from envs.arrays import Flags, Floats
from envs.cormab.constraints.base import Actions, Constraint
from envs.cormab.constraints.budget import largest, random_subsets
from envs.cormab.constraints.rows import LinearRows, RowBuilder


@dataclass(frozen=True, eq=False)
class ExactCount(Constraint):
    """Exactly ``count`` of the ``size`` components must be one: the interventions of a programme."""

    size: int
    """Number of components, ``N``."""
    count: int
    """Number of ones, from 0 to ``size``."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", whole("size", self.size, least=1))
        object.__setattr__(self, "count", whole("count", self.count, least=0, most=self.size))

    @property
    def num_actions(self) -> int:
        return self.size

    def rows(self) -> LinearRows:
        """One row."""
        builder = RowBuilder(self.size)
        builder.entries(builder.rows(self.count, self.count, 1), np.arange(self.size), 1.0)
        return builder.build()

    def sample(self, rng: np.random.Generator, size: int) -> Actions:
        """Draw uniformly; see :meth:`Constraint.sample`."""
        return random_subsets(rng, size, self.size, self.count)

    def enumerate(self, limit: int) -> Actions | None:
        total = math.comb(self.size, self.count)
        if total > limit:
            return None
        flat = np.fromiter(chain.from_iterable(combinations(range(self.size), self.count)), np.int64, total * self.count)
        actions = np.zeros((total, self.size), np.bool_)
        actions[np.arange(total)[:, None], flat.reshape(total, self.count)] = True
        return actions[::-1]

    def _contains(self, actions: Actions) -> Flags:
        within: Flags = np.count_nonzero(actions, axis=1) == self.count
        return within

    def _assignment(self, action: Flags) -> list[dict[str, int]]:
        return [{"intervention": intervention} for intervention in np.flatnonzero(action).tolist()]

    def _extends(self, actions: Actions) -> Flags:
        within: Flags = np.count_nonzero(actions, axis=1) <= self.count
        return within

    def _maximize(self, coefficients: Floats) -> Actions:
        return largest(coefficients, self.count)
