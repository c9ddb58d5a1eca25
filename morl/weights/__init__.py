"""Weight vectors on the simplex: ways to generate them, one per file; :mod:`morl.weights.adaptation` moves them.

Linear support says which weights may still gain, and how much; with an exact solver it finds convex coverage sets.

Every generator is called in the same way, ``(num_vectors, num_objectives, *, seed=0) -> (n, m)`` float64, so that a
configuration can choose it by name.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from morl.weights.dirichlet import dirichlet
from morl.weights.extrema import extrema
from morl.weights.linear_support import (
    LinearSupportResult,
    Round,
    corner_weights,
    exact_coverage_set,
    improvement_gains,
    optimistic_gains,
    optimistic_linear_support,
)
from morl.weights.riesz import riesz
from morl.weights.simplex_lattice import largest_lattice, simplex_lattice


class WeightGeneration(Protocol):
    """A function that makes weight vectors."""

    def __call__(self, num_vectors: int, num_objectives: int, *, seed: int = 0) -> npt.NDArray[np.float64]:
        """Make weight vectors.

        Args:
            num_vectors: How many, ``n >= 1``.
            num_objectives: Their length, ``m >= 1``.
            seed: Source of randomness of the generators that draw.

        Returns:
            ``(n, m)``, each row nonnegative and summing to one, rows in lexicographic order.

        Raises:
            ConfigurationError: This generator has no such number of vectors.
        """
        ...


__all__ = [
    "WeightGeneration", "dirichlet", "extrema", "largest_lattice", "riesz", "simplex_lattice",
    "LinearSupportResult", "Round", "corner_weights", "exact_coverage_set", "improvement_gains", "optimistic_gains",
    "optimistic_linear_support",
]  # fmt: skip
