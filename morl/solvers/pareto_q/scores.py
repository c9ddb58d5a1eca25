"""What the sets of a state's actions are worth to whoever has to choose one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from morl.functional.dominance import non_dominated
from morl.indicators.hypervolume import hypervolume_estimate

Array = npt.NDArray[np.float64]
Score: TypeAlias = Literal["hypervolume", "cardinality", "pareto"]
"""Name of a score."""


def hypervolume_score(values: Array, actions: npt.NDArray[np.int64], *, num_actions: int, reference: Array) -> Array:
    """Hypervolume of each action's set.

    Args:
        values: Vectors of all actions' sets, ``(q, m)``.
        actions: Whose each of them is, ``(q,)``.
        num_actions: ``A``.
        reference: Point below all of them, ``(m,)``.

    Returns:
        ``(A,)``; 0 for empty sets.
    """
    score = np.zeros(num_actions)
    for action in np.unique(actions):
        score[action] = hypervolume_estimate(values[actions == action], reference).value
    return score


def cardinality_score(values: Array, actions: npt.NDArray[np.int64], *, num_actions: int, reference: Array) -> Array:
    """How many non-dominated vectors of the state each action leads to, ``(A,)``; arguments as above."""
    del reference
    if not len(values):
        return np.zeros(num_actions)
    # Of equal vectors of several actions each one counts.
    unique, inverse = np.unique(values, axis=0, return_inverse=True)
    is_best = non_dominated(unique)[inverse.reshape(-1)]
    return np.bincount(actions[is_best], minlength=num_actions).astype(np.float64)


def pareto_score(values: Array, actions: npt.NDArray[np.int64], *, num_actions: int, reference: Array) -> Array:
    """Whether an action leads to a non-dominated vector of the state, ``(A,)``; arguments as above."""
    return np.sign(cardinality_score(values, actions, num_actions=num_actions, reference=reference))


SCORES: dict[Score, Callable[..., Array]] = {
    "hypervolume": hypervolume_score,
    "cardinality": cardinality_score,
    "pareto": pareto_score,
}
"""By name."""
