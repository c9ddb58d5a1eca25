"""Cardinality: how many different trade-offs a set offers."""

from __future__ import annotations

from typing import Any

from morl.functional.dominance import non_dominated


def cardinality(values: Any) -> int:
    """Number of non-dominated points, equal ones counted once.

    Args:
        values: ``(p, m)``, return units.

    Returns:
        The number; 0 for an empty set.

    Raises:
        ShapeError: ``values`` has not two axes.
        ConfigurationError: Something is NaN or infinite.

    Example:
        >>> cardinality([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
        2
    """
    return int(non_dominated(values).sum())
