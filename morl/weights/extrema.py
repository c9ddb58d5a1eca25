"""Extrema: one weight vector per objective, all the weight on it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from morl.errors import ConfigurationError
from morl.weights.request import check_request, sorted_rows


def extrema(num_vectors: int, num_objectives: int, *, seed: int = 0) -> npt.NDArray[np.float64]:  # noqa: ARG001
    """Return the corners of the simplex.

    Args:
        num_vectors: How many: must be ``num_objectives``.
        num_objectives: Their length, ``m``.
        seed: Not used: the corners are not random.

    Returns:
        ``(m, m)``, rows in lexicographic order (the last objective's corner first).

    Raises:
        ConfigurationError: ``num_vectors`` is not ``num_objectives``.

    Example:
        >>> extrema(2, 2).tolist()
        [[0.0, 1.0], [1.0, 0.0]]
    """
    check_request(num_vectors, num_objectives)
    if num_vectors != num_objectives:
        raise ConfigurationError(
            f"extrema has one vector per objective: {num_objectives}, not {num_vectors}; use riesz for more"
        )
    return sorted_rows(np.eye(num_objectives))
