"""Sparsity: how large the gaps of a front are."""

from __future__ import annotations

from typing import Any

import numpy as np

from morl.functional.dominance import checked_values, non_dominated


def sparsity(values: Any) -> float:
    r"""Sum over objectives of the mean squared gap between neighbouring values of the front; smaller is denser.

    A front of one point is perfectly dense by this definition: never read it alone.

    .. math:: \frac{1}{p - 1} \sum_j \sum_i (\tilde v_{i+1, j} - \tilde v_{i, j})^2, \quad \tilde v_j \text{ sorted}

    Args:
        values: ``(p, m)``, return units; dominated points are left out.

    Returns:
        Squared return units (of objectives that may have different ones); 0 for fewer than two points.

    Raises:
        ShapeError: ``values`` has not two axes.
        ConfigurationError: Something is NaN or infinite.

    Source:
        Xu et al. 2020 (PGMORL). Deviations: none.

    Example:
        >>> sparsity([[0.0, 3.0], [1.0, 1.0], [3.0, 0.0]])
        5.0
    """
    values = checked_values(values)
    front = np.sort(values[non_dominated(values)], axis=0)
    return float((np.diff(front, axis=0) ** 2).sum() / (len(front) - 1)) if len(front) > 1 else 0.0
