"""Where members are, for those who ask who is near."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from morl.errors import ShapeError

Array = npt.NDArray[np.float64]

Measure: TypeAlias = Literal["weights", "values", "parameters"]
"""What of members is near or far: their preferences, what their policies return (in units of the objectives' ranges among
them), or the parameters of their policies."""


def checked_positions(positions: Any) -> Array:
    """Positions as float64, ``(n, d)``.

    Raises:
        ShapeError: They have not two axes.
    """
    found = np.asarray(positions, dtype=np.float64)
    if found.ndim != 2:
        raise ShapeError(f"positions (the members' weights, values or parameters) have shape {found.shape}; expected (n, d), "
                         "one row per member")  # fmt: skip
    return found


def squared_distances(positions: Array) -> Array:
    """Squared Euclidean distances ``(n, n)``, infinite to oneself.

    Rounding makes distances that are equal on paper equal here, so that ties go to the lowest index.
    """
    # Row by row: parameters are many.
    squared = np.stack([((positions - own) ** 2).sum(-1) for own in positions]).round(12)
    np.fill_diagonal(squared, np.inf)
    return squared


def nearest_first(positions: Array) -> npt.NDArray[np.int64]:
    """All others of every member, nearest first, ``(n, n - 1)``; of equally distant ones the lower index first."""
    order: npt.NDArray[np.int64] = squared_distances(positions).argsort(axis=1, kind="stable").astype(np.int64)
    return order[:, :-1]
