"""Hypervolume: how much of the objective space a set dominates."""

from __future__ import annotations

from typing import Any

from morl.functional.dominance import checked_values
from morl.indicators.convention import checked_point, hypervolume_of


def hypervolume(values: Any, reference_point: Any) -> float:
    """Volume between a reference point and the set; larger is better.

    Points that are not better than the reference point in every objective add nothing. The value can only be compared with
    one that used the same reference point, discount and units.

    Args:
        values: ``(p, m)``, return units.
        reference_point: ``(m,)``, return units; worse than everything that should count.

    Returns:
        Volume, product of the objectives' units; 0 for an empty set.

    Raises:
        ShapeError: The shapes disagree.
        ConfigurationError: Something is NaN or infinite.

    Source:
        Zitzler and Thiele 1999, computed by moocore. Deviations: none.

    Example:
        >>> hypervolume([[1.0, 3.0], [2.0, 1.0]], [0.0, 0.0])
        4.0
    """
    values = checked_values(values)
    point = checked_point(reference_point, values)
    return hypervolume_of(values, point) if len(values) else 0.0
