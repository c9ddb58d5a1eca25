"""Finite: nature picks one of several distributions for each state-action pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from morl.errors import ShapeError
from robust.tabular.ambiguity.base import Array, Index, IntArray, PairByPair, expectation
from robust.tabular.mdp import PAIRS, checked_distributions, read_numbers
from robust.tabular.ties import first_best


@dataclass(frozen=True, eq=False)
class Finite(PairByPair):
    """The product of the rows of some kernels: for each pair nature picks the row of one of them.

    The nominal model of the MDP belongs to the set only if it is one of the kernels.

    Source:
        Iyengar 2005, section 3. Deviations: none.

    Example:
        >>> kernels = np.array([[[[0.5, 0.5]], [[0.0, 1.0]]], [[[1.0, 0.0]], [[0.0, 1.0]]]])
        >>> Finite(kernels).worst_value(np.array([0.0, 1.0]), kernels[0])
        array([[0.],
               [1.]])
    """

    kernels: Array
    """Transition probabilities, ``(K, S, A, b)``, aligned with the transitions of the MDP."""

    def __post_init__(self) -> None:
        kernels = read_numbers("kernels", self.kernels, "(K, S, A, b)")
        if kernels.ndim != 4 or not kernels.size:
            raise ShapeError(f"kernels has shape {kernels.shape}: expected (K, S, A, b) with at least one kernel")
        object.__setattr__(self, "kernels", checked_distributions("kernels", kernels, ("kernel", *PAIRS)))

    def check(self, transitions: Array) -> None:
        """Refuse kernels of another shape than the MDP's transitions ``(S, A, b)``."""
        if self.kernels.shape[1:] != transitions.shape:
            raise ShapeError(
                f"kernels has shape {self.kernels.shape} but the MDP's transitions {transitions.shape}: "
                "expected one leading dimension more, the number of kernels"
            )

    def at(self, index: Index) -> Finite:
        part = object.__new__(Finite)
        object.__setattr__(part, "kernels", self.kernels if index is Ellipsis else self.kernels[:, index[0], index[1]])
        return part

    def worst_value(self, outcomes: Array, nominal: Array) -> Array:
        return np.asarray(expectation(self.kernels, outcomes).min(axis=0))

    def worst_distribution(self, outcomes: Array, nominal: Array) -> Array:
        chosen = self.worst_index(outcomes)
        return np.asarray(np.take_along_axis(self.kernels, chosen[None, ..., None], axis=0)[0])

    def worst_index(self, outcomes: Array) -> IntArray:
        """Return which kernel's row is worst for each pair; among equals the lowest index."""
        return first_best(-np.moveaxis(expectation(self.kernels, outcomes), 0, -1))
