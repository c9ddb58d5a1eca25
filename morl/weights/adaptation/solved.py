"""Solved weights: where members were trained, and what they reached there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from morl.errors import ShapeError

Array = npt.NDArray[np.float64]

RESOLUTION = 1e-6
"""Members' weights are single-precision numbers: those that differ by less are the same. Also the least relative difference of
values that counts, since what is learned is single precision too."""


def on_simplex(weights: Array) -> Array:
    """Weights ``(n, m)`` whose rows sum to one in double precision, whatever precision they come from; what is below the
    resolution is zero.
    """
    exact = np.asarray(weights, dtype=np.float64)
    exact = np.where(exact < RESOLUTION, 0.0, exact)
    rows: Array = exact / exact.sum(axis=1, keepdims=True)
    return rows


@dataclass(frozen=True, kw_only=True, eq=False)
class SolvedWeights:
    """The weights at which some member was trained for at least one whole exchange period, each once.

    Raises:
        ShapeError: The shapes disagree.
    """

    weights: Array
    """``(k, m)``, rows on the simplex."""
    values: Array
    """The best value, for the weights, of a member that was trained at them, ``(k, m)``, return units."""

    def __post_init__(self) -> None:
        if self.weights.ndim != 2 or self.weights.shape != self.values.shape:
            raise ShapeError(f"{self.weights.shape} solved weights have values {self.values.shape}; expected (k, m) both")

    @classmethod
    def none(cls, num_objectives: int) -> Self:
        """Nothing is solved yet."""
        return cls(weights=np.zeros((0, num_objectives)), values=np.zeros((0, num_objectives)))

    def including(self, weights: Array, values: Array) -> Self:
        """With what some members have reached.

        Args:
            weights: ``(n, m)``.
            values: ``(n, m)``.

        Returns:
            Of every weight vector what is better for it, what is known already or what is new.
        """
        every, worth = np.concatenate([self.weights, on_simplex(weights)]), np.concatenate([self.values, values])
        _, group = np.unique(np.round(every / RESOLUTION), axis=0, return_inverse=True)
        order = np.lexsort((-(every * worth).sum(axis=1), group))
        best = order[np.unique(group[order], return_index=True)[1]]
        return type(self)(weights=every[best], values=worth[best])
