"""Check and finish what every weight generator takes and returns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from morl.errors import ConfigurationError


def check_request(num_vectors: int, num_objectives: int) -> None:
    """Raise ConfigurationError unless both numbers are at least one."""
    if num_vectors < 1 or num_objectives < 1:
        raise ConfigurationError(
            f"asked for {num_vectors} weight vectors of {num_objectives} objectives; both must be at least 1"
        )


def sorted_rows(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the rows ``(n, m)`` in lexicographic order, first objective first."""
    return np.ascontiguousarray(weights[np.lexsort(weights.T[::-1])])
