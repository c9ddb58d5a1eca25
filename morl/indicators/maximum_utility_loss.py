"""Maximum utility loss: the worst regret of a user with a linear preference."""

from __future__ import annotations

from typing import Any

from morl.functional.dominance import checked_values
from morl.indicators.convention import checked_pair


def maximum_utility_loss(values: Any, known_front: Any, weights: Any) -> float:
    r"""Largest loss against a known front over preferences; smaller is better.

    .. math:: \max_w \big( \max_{u \in F} \langle w, u \rangle - \max_v \langle w, v \rangle \big)

    Args:
        values: ``(p, m)``, return units.
        known_front: The front ``F`` to compare with, ``(f >= 1, m)``, return units.
        weights: Preferences, ``(q >= 1, m)``.

    Returns:
        Loss, return units; negative where the set beats the (then only approximate) known front for every preference;
        ``inf`` for an empty set.

    Raises:
        ShapeError: The shapes disagree.
        ConfigurationError: Something is NaN or infinite.

    Source:
        Zintgraf et al. 2015 (MUL). Deviations: none.

    Example:
        >>> maximum_utility_loss([[1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.25, 0.75]])
        0.5
    """
    values, known_front = checked_pair(checked_values(values), known_front, "known_front")
    values, weights = checked_pair(values, weights, "weights")
    if not len(values):
        return float("inf")
    return float(((weights @ known_front.T).max(axis=1) - (weights @ values.T).max(axis=1)).max())
