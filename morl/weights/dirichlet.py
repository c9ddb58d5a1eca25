"""Dirichlet: weight vectors drawn uniformly from the simplex."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from morl.seeding import stream
from morl.weights.request import check_request, sorted_rows


def dirichlet(num_vectors: int, num_objectives: int, *, seed: int = 0) -> npt.NDArray[np.float64]:
    r"""Return weight vectors drawn uniformly from the simplex, :math:`w \sim Dir(1, ..., 1)`.

    Args:
        num_vectors: How many, ``n``.
        num_objectives: Their length, ``m``.
        seed: Source of randomness.

    Returns:
        ``(n, m)``, rows in lexicographic order.

    Raises:
        ConfigurationError: A number below one.

    Example:
        >>> dirichlet(4, 3, seed=1).shape
        (4, 3)
    """
    check_request(num_vectors, num_objectives)
    return sorted_rows(stream(seed, "weights").dirichlet(np.ones(num_objectives), size=num_vectors))
