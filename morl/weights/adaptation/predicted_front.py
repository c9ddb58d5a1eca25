"""Predicted front: which members to train with which weights, so that the front should grow most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from morl.functional.dominance import non_dominated
from morl.indicators import hypervolume_estimate, sparsity
from morl.weights.adaptation.population import Population
from morl.weights.front_gaps import ranges, spread_out

Array = npt.NDArray[np.float64]

MARGIN = 0.1
"""How far below the worst of the front the hypervolume's reference point lies, in units of the front's range."""
_EQUAL = 1e-9
"""Scores that differ by less are the same."""


def greedy_choice(front: Array, predictions: Array, count: int, *, alpha: float) -> list[int]:
    r"""Choose predicted values, one after the other, each the one that makes the front best with those before.

    .. math:: \arg\max_x \; HV(F \cup \{x\}) - \alpha \, \mathrm{sparsity}(F \cup \{x\})

    Everything is measured in units of the front's range. Of a front of more than
    ``morl.weights.front_gaps.MOST_POINTS`` values those count that lie apart most.

    Args:
        front: Non-dominated values ``(p >= 1, m)``, return units.
        predictions: ``(c, m)``, return units.
        count: How many to choose, at most: nothing is chosen that would be dominated.
        alpha: Price of sparsity, ``>= 0``.

    Returns:
        Indices of predictions, in the order of choice.

    Source:
        Xu et al. 2020 (PGMORL). Deviations: units, and the reference point that comes with them; predictions that are
        dominated are never chosen.

    Example:
        >>> greedy_choice(np.eye(2), np.array([[0.2, 0.2], [0.9, 0.9], [0.5, 0.6]]), 2, alpha=0.0)
        [1]
    """
    low, unit = front.min(axis=0), ranges(front)
    known = (front - low) / unit
    known = known[spread_out(known)]
    offered = (predictions - low) / unit
    left, chosen = np.ones(len(offered), dtype=np.bool_), list[int]()
    while len(chosen) < count:
        left &= ~(known[None] >= offered[:, None]).all(-1).any(1)
        if not left.any():
            break
        scores = np.full(len(offered), -np.inf)
        for i in np.flatnonzero(left):
            scores[i] = front_score(np.concatenate([known, offered[i : i + 1]]), alpha)
        chosen.append(int((scores >= scores.max() - _EQUAL).argmax()))
        known = np.concatenate([known, offered[chosen[-1:]]])
        known = known[non_dominated(known)]
        left[chosen[-1]] = False
    return chosen


def front_score(values: Array, alpha: float) -> float:
    """Hypervolume less ``alpha`` times the sparsity, of values ``(p, m)`` in units of a front that begins at 0."""
    value = hypervolume_estimate(values, np.full(values.shape[1], -MARGIN)).value
    return value - alpha * sparsity(values) if alpha else value


def reassigned(
    weights: Array, stays: npt.NDArray[np.bool_], parents: Sequence[int] | npt.NDArray[np.int64], chosen: Array
) -> Population:
    """Give chosen weights to copies of members.

    The first choice of a member that may move moves itself; every further one is a copy in the place of a member that was not
    chosen. Who is left over goes on as before.

    Args:
        weights: Of the members, ``(n, m)``.
        stays: Who keeps weights and place, ``(n,)``.
        parents: Member that is to be trained with each choice, ``(k,)``.
        chosen: Its new weights, ``(k, m)``, ``k`` at most the number of members that may move.
    """
    n, w, origin = len(weights), weights.copy(), np.arange(len(weights))
    free, copies = [i for i in range(n) if not stays[i]], list[int]()
    for pick, parent in enumerate(parents):
        if parent in free:
            free.remove(parent)
            w[parent] = chosen[pick]
        else:
            copies.append(pick)
    places = free[: len(copies)]
    w[places], origin[places] = chosen[copies], np.asarray(parents, dtype=np.int64)[copies]
    return Population(weights=w, parents=origin.tolist(), fresh=(origin != np.arange(n)).tolist())
