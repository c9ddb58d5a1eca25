"""Hypervolume: how much of the objective space a set dominates."""

from __future__ import annotations

import warnings
from typing import Any

from morl.functional.dominance import checked_values, non_dominated
from morl.indicators.convention import checked_point
from morl.indicators.volume import Volume, union, union_is_quick


def hypervolume(values: Any, reference_point: Any) -> float:
    """Volume between a reference point and the set; larger is better.

    Points that are not better than the reference point in every objective add nothing. The value can only be compared with
    one that used the same reference point, discount and units. Where an exact value would take more than about a second (80
    points of 10 objectives, say) it is estimated, with a warning that tells the standard error;
    ``hypervolume_estimate`` returns both instead.

    Args:
        values: ``(p, m)``, return units.
        reference_point: ``(m,)``, return units; worse than everything that should count.

    Returns:
        Volume, product of the objectives' units; 0 for an empty set, infinity if it is too large for a number.

    Raises:
        ShapeError: The shapes disagree.
        ConfigurationError: Something is NaN or infinite.

    Source:
        Zitzler and Thiele 1999, computed by moocore. Deviations: none. Estimates: see
        ``morl.indicators.volume``.

    Example:
        >>> hypervolume([[1.0, 3.0], [2.0, 1.0]], [0.0, 0.0])
        4.0
    """
    found = hypervolume_estimate(values, reference_point)
    if found.standard_error:
        warnings.warn(
            f"the hypervolume of {len(values)} points with {len(values[0])} objectives is an estimate, {found.value:.4g} with "
            f"a standard error of {found.standard_error:.2g}: the exact value would take too long",
            stacklevel=2,
        )
    return found.value


def hypervolume_estimate(values: Any, reference_point: Any) -> Volume:
    """Hypervolume and the standard error with which it is known; see ``hypervolume``.

    Args:
        values: ``(p, m)``, return units.
        reference_point: ``(m,)``, return units.

    Returns:
        Value and standard error, which is 0 for an exact value. The same whenever it is repeated.

    Raises:
        ShapeError: The shapes disagree.
        ConfigurationError: Something is NaN or infinite.

    Example:
        >>> hypervolume_estimate([[1.0, 3.0], [2.0, 1.0]], [0.0, 0.0])
        Volume(value=4.0, standard_error=0.0)
    """
    import moocore

    values = checked_values(values)
    point = checked_point(reference_point, values)
    number, m = values.shape
    if not union_is_quick(number, m):
        # What is dominated, or not better than the reference point, costs nothing.
        boxes = values - point
        boxes = boxes[(boxes > 0).all(axis=1)]
        boxes = boxes[non_dominated(boxes)]
        number = len(boxes)
        if number and not union_is_quick(number, m):
            return union(boxes)
    if not number:
        return Volume(0.0, 0.0)
    return Volume(float(moocore.hypervolume(values, point, maximise=True)), 0.0)
