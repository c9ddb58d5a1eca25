"""Linear support priority: the member at whose weights most may still be gained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from morl.scalarizations import Scalarization, require_weighted_sum
from morl.selection.floor import with_floor
from morl.selection.standing import Standing
from morl.weights.linear_support import optimistic_gains

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LinearSupportPriority:
    r"""One member: that whose weighted return may still gain most, as far as the other members' returns tell.

    If no policy is better than the population's at the other members' weights :math:`w_j`, nor for any single objective, then
    at its own weights a member may gain at most

    .. math:: \max_v \{ w_i^\top v : w_j^\top v \le V^*(w_j)\ (j \ne i),\ v \le \max_k V_k \} - w_i^\top V_i,
        \qquad V^*(w) = \max_k w^\top V_k

    Members that never had a turn come first. Utilities must be weighted sums in return units.

    Source:
        Roijers et al. 2015, priorities of optimistic linear support. Deviations: weights that members have, instead of corner
        weights that get one; a member's own value bounds it in no other way than through the best value of each objective,
        since it is not known to be the best there is at its weights; the floor (:func:`morl.selection.floor.with_floor`).
    """

    def check_utility(self, scalarization: Scalarization, normalisation: str) -> None:
        """Refuse what is no weighted sum in return units; see :class:`~morl.scalarizations.ChecksUtility`."""
        require_weighted_sum("LinearSupportPriority", scalarization, normalisation)

    def __call__(self, standing: Standing) -> list[int]:
        """Take the most promising; see :class:`morl.selection.Selection`."""
        promise = np.where(standing.waiting >= standing.ages, np.nan, promises(standing.weights, standing.values))
        return with_floor(standing.best_first(promise)[:1], standing)


def promises(weights: Array, values: Array) -> Array:
    """What each member may still gain; see :class:`LinearSupportPriority`.

    Args:
        weights: ``(n, m)``, rows on the simplex.
        values: ``(n, m)``; all NaN before anything was evaluated.

    Returns:
        ``(n,)``, nonnegative, units of the weighted return; NaN without values.

    Example:
        >>> promises(np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]), np.array([[1.0, 0.0], [0.6, 0.6], [0.0, 1.0]])).tolist()
        [0.0, 0.4, 0.0]
    """
    if np.isnan(values).any():
        return np.full(len(values), np.nan)
    rows = weights / weights.sum(1, keepdims=True)
    extremes = np.eye(rows.shape[1])
    above = [
        optimistic_gains(rows[[i]], np.concatenate([np.delete(rows, i, 0), extremes]), values)[0] for i in range(len(rows))
    ]
    worth: Array = values @ rows.T
    promise: Array = np.asarray(above) + worth.max(0) - worth.diagonal()
    return promise
