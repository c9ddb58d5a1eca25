"""Which episodes are worth remembering."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def episode_scores(returns: Array, best: npt.NDArray[np.bool_], *, crowding_distance: float, crowding_penalty: float) -> Array:
    r"""Score episodes by how far their returns are from the best ones, and from each other.

    .. math:: s_i = -\min_{j \in \text{best}} \lVert v_i - v_j \rVert - c\, \max(0, 1 - \rho_i / \rho)

    :math:`\rho_i` is the distance to the nearest of those that come before it, in an order in which the best ones come first
    and otherwise always the one that is farthest from all before it. So of a few that are close one is not crowded, however
    close the others are, and of equal returns all but one get the whole penalty.

    Args:
        returns: ``(p, m)``, in units in which distances mean something.
        best: Which are not dominated, ``(p,)``; at least one.
        crowding_distance: :math:`\rho`, distance from which on two returns do not crowd each other; 0 for no penalty.
        crowding_penalty: :math:`c`, for equal returns, as a distance.

    Returns:
        ``(p,)``, at most 0.

    Source:
        Reymond et al. 2022. Deviations: there a score is doubled where NSGA-II's crowding distance is small, which does nothing
        to those that are not dominated, whose score is 0; and that distance says little with more than two objectives.

    Example:
        >>> returns = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.5]])
        >>> best = np.array([True, True, False, False])
        >>> episode_scores(returns, best, crowding_distance=0.2, crowding_penalty=1.0).tolist()
        [0.0, 0.0, -1.0, -0.5]
    """
    front = returns[best]
    missed = np.sqrt(((returns[:, None] - front) ** 2).sum(-1).min(1))
    if not crowding_distance:
        return np.asarray(0.0 - missed)
    room = _room(returns, best)
    return np.asarray(0.0 - missed - crowding_penalty * np.maximum(1.0 - room / crowding_distance, 0.0))


def _room(returns: Array, best: npt.NDArray[np.bool_]) -> Array:
    """Distance of each to the nearest of those that come before it, ``(p,)``; infinity for the first."""
    room = np.full(len(returns), np.inf)
    nearest = np.full(len(returns), np.inf)
    for group in (best, ~best):
        left = group.copy()
        while left.any():
            candidates = np.flatnonzero(left)
            # Of those that are equally far the first, which is the oldest.
            chosen = int(candidates[nearest[candidates].argmax()])
            room[chosen], left[chosen] = nearest[chosen], False
            np.minimum(nearest, np.sqrt(((returns - returns[chosen]) ** 2).sum(-1)), out=nearest)
    return room
