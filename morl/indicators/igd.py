"""IGD: how far a known front is from the set."""

from __future__ import annotations

from typing import Any

from morl.indicators.convention import checked_pair


def igd(values: Any, known_front: Any) -> float:
    """Mean distance from each point of a known front to the nearest point of the set; smaller is better.

    Args:
        values: ``(p, m)``, return units.
        known_front: ``(f >= 1, m)``, return units.

    Returns:
        Distance, return units; ``inf`` for an empty set.

    Raises:
        ShapeError: The shapes disagree.
        ConfigurationError: Something is NaN or infinite.

    Source:
        Coello Coello and Reyes Sierra 2004, computed by moocore. Deviations: none.

    Example:
        >>> igd([[3.0, 0.0]], [[3.0, 0.0], [0.0, 4.0]])
        2.5
    """
    import moocore

    values, known_front = checked_pair(values, known_front, "known_front")
    return float(moocore.igd(values, known_front, maximise=True)) if len(values) else float("inf")
