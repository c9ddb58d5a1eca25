"""What the steps and episodes of a data set are examples of: returns to go, and the preferences that they serve."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from morl.data.shard import Shard
from morl.weights.front_gaps import chebyshev_weights

Array = npt.NDArray[np.float64]

_MARGIN = 0.1
"""How far the utopian point lies above the best value of each objective, in shares of the front's range."""
_MOST_COMPARED = 100_000


def returns_to_go(shard: Shard, gamma: float) -> Array:
    r"""Discounted sum of the rewards from each step to the end of its episode.

    .. math:: R_t = r_t + \gamma R_{t+1}

    Args:
        shard: Whole episodes.
        gamma: Discount per step.

    Returns:
        ``(N, m)`` float64, return units.
    """
    returns = shard.rewards.astype(np.float64)
    lengths, last = shard.lengths, shard.ends - 1
    for back in range(1, int(lengths.max(initial=0))):
        steps = last[lengths > back] - back
        returns[steps] += gamma * returns[steps + 1]
    return returns


def hindsight_weights(returns: Array, front: Array) -> Array:
    r"""Preferences that returns serve, in hindsight.

    .. math:: w_j \propto \frac{1}{u_j - v_j}

    with distances in units of the front's range, or of all returns' where it has none. Under these weights all objectives of
    :math:`v` are equally far from the utopian point :math:`u`: no return is nearer (weighted Chebyshev distance) unless it
    dominates :math:`v`. So every return of a front, concave or not, is the best one under its own weights, and more of an
    objective means more weight on it.

    Args:
        returns: ``(E, m)``; none is better than the front.
        front: Returns of which none dominates another, ``(q >= 1, m)``.

    Returns:
        ``(E, m)``, positive, each row sums to 1.

    Source:
        Steuer and Choo 1983.

    Example:
        >>> import numpy as np
        >>> front = np.array([[0.0, 1.0], [0.4, 0.4], [1.0, 0.0]])
        >>> hindsight_weights(np.array([[0.0, 1.0], [0.4, 0.4], [0.1, 0.1]]), front).round(2).tolist()
        [[0.08, 0.92], [0.5, 0.5], [0.5, 0.5]]
    """
    span = np.ptp(front, axis=0)
    span = np.where(span > 0, span, np.ptp(returns, axis=0))
    return chebyshev_weights((front.max(0) - returns) / np.where(span > 0, span, 1.0) + _MARGIN)


def chance_in(shard: Shard) -> str:
    """Look for what chance, or anything but observations and actions, had a say in.

    Args:
        shard: Whole episodes; the first hundred thousand steps are looked at.

    Returns:
        What was found, as a clause; empty if the same action at the same observation always led and paid alike.
    """
    count = min(len(shard.rewards), _MOST_COMPARED)
    following = np.concatenate([shard.observations[1:], shard.final_observations[-1:]])
    following[shard.ends - 1] = shard.final_observations
    flat = [part[:count].reshape(count, -1) for part in (shard.observations, shard.actions)]
    seen = np.ascontiguousarray(np.concatenate([part.astype(np.float64) for part in flat], 1))
    keys = seen.view(np.dtype((np.void, seen.dtype.itemsize * seen.shape[1]))).reshape(-1)
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    same = first[group.reshape(-1)]
    for what, part in (("was paid otherwise", shard.rewards), ("led elsewhere", following)):
        differ = (part[:count] != part[same]).reshape(count, -1).any(1)
        if differ.any():
            step = int(differ.argmax())
            return (
                f"action {shard.actions[step].tolist()} at observation {shard.observations[step].reshape(-1)[:8].tolist()} "
                f"{what} at another time"
            )
    return ""
