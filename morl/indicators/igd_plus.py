"""IGD+: how much a set lacks to a known front."""

from __future__ import annotations

from typing import Any

from morl.indicators.convention import checked_pair


def igd_plus(values: Any, known_front: Any) -> float:
    """Like :func:`~morl.indicators.igd.igd`, counting only the objectives in which the set is worse; smaller is better.

    Unlike IGD it never improves when a set becomes worse (it is weakly Pareto compliant).

    Args:
        values: ``(p, m)``, return units.
        known_front: ``(f >= 1, m)``, return units.

    Returns:
        Distance, return units; ``inf`` for an empty set.

    Raises:
        ShapeError: The shapes disagree.
        ConfigurationError: Something is NaN or infinite.

    Source:
        Ishibuchi et al. 2015, computed by moocore. Deviations: none.

    Example:
        >>> igd_plus([[3.0, 0.0]], [[3.0, 0.0], [0.0, 4.0]])
        2.0
    """
    import moocore

    values, known_front = checked_pair(values, known_front, "known_front")
    return float(moocore.igd_plus(values, known_front, maximise=True)) if len(values) else float("inf")
