"""Choices that do not depend on rounding: among equals, the lowest index."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def first_best(values: npt.NDArray[np.float64], *, slack: float = 1e-12) -> npt.NDArray[np.int64]:
    """Index of the first entry along the last axis that is the largest up to rounding.

    Args:
        values: ``(..., n)``.
        slack: How much smaller than the largest still counts as equal: absolute, and relative to the largest magnitude.

    Returns:
        Indices ``(...)``.

    Example:
        >>> first_best(np.array([[1.0 - 1e-16, 1.0, 0.0], [0.0, 1.0, 2.0]]))
        array([0, 2])
    """
    best = values.max(axis=-1, keepdims=True)
    return np.asarray((values >= best - slack * np.maximum(1.0, np.abs(best))).argmax(axis=-1), dtype=np.int64)
