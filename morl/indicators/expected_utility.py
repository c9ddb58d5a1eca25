"""Expected utility: what a user with a random linear preference gets."""

from __future__ import annotations

from typing import Any

from morl.indicators.convention import checked_pair


def expected_utility(values: Any, weights: Any) -> float:
    r"""Mean over preferences of the best weighted sum in the set; larger is better.

    .. math:: \frac{1}{q} \sum_{w} \max_{v} \langle w, v \rangle

    Args:
        values: ``(p, m)``, return units.
        weights: Preferences, ``(q, m)``, evenly spread over the simplex; 50 or more are usual.

    Returns:
        Utility, return units; ``-inf`` for an empty set.

    Raises:
        ShapeError: The shapes disagree.
        ConfigurationError: Something is NaN or infinite.

    Source:
        Zintgraf et al. 2015 (EUM). Deviations: none.

    Example:
        >>> expected_utility([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
        0.8333333333333334
    """
    values, weights = checked_pair(values, weights, "weights")
    return float((weights @ values.T).max(axis=1).mean()) if len(values) else float("-inf")
