"""Check a generator of weight vectors."""

from __future__ import annotations

import numpy as np

from morl.errors import ConfigurationError
from morl.testing.requirement import require, require_error
from morl.weights import WeightGeneration


def check_weight_generation(
    generate: WeightGeneration, *, num_vectors: int = 10, num_objectives: int = 3, seed: int = 0
) -> None:
    """Check that a generator keeps the contract of :class:`morl.weights.WeightGeneration`.

    Args:
        generate: What to check.
        num_vectors: A number of vectors it has.
        num_objectives: ``m``.
        seed: Seed to try.

    Raises:
        AssertionError: It breaks the contract; the message says where.

    Example:
        >>> from morl.weights import dirichlet
        >>> check_weight_generation(dirichlet)
    """
    weights = generate(num_vectors, num_objectives, seed=seed)
    found = (getattr(weights, "dtype", type(weights)), getattr(weights, "shape", None))
    expected = (np.dtype(np.float64), (num_vectors, num_objectives))
    require(found == expected, f"expected a numpy array of {expected}, got {found}")
    require((weights >= 0).all() and np.allclose(weights.sum(axis=1), 1.0, atol=1e-12), "rows must be on the simplex")
    require(sorted(weights.tolist()) == weights.tolist(), "rows must be in lexicographic order")
    first = weights.copy()
    weights[:] = -1.0
    require((generate(num_vectors, num_objectives, seed=seed) == first).all(), "the same arguments gave other weights")
    require_error(ConfigurationError, lambda: generate(0, num_objectives, seed=seed), "no vectors")
