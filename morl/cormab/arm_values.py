r"""What single arms are worth when the use of actions has a price: the parts into which relaxed restless bandits fall.

Letters: ``J`` arms, ``L`` levels of treatment, ``K`` states, ``T`` steps. Transitions ``(J, L, K, K)`` and expected pay
``(J, L, K)`` are those of :class:`envs.cormab.Instance`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from morl.errors import ConfigurationError

Array = npt.NDArray[np.float64]

_BISECTIONS = 60


def horizon_action_values(transitions: Array, rewards: Array, prices: Array) -> tuple[Array, Array]:
    r"""Backward induction for each arm by itself, when level ``l`` of arm ``j`` costs ``prices[t, j, l]`` in step ``t``.

    .. math:: V_t(s) = \max_l \big( Q_t(s, l) - \lambda_{t,l} \big), \qquad
       Q_t(s, l) = r(s, l) + \sum_{s'} P_l(s' \mid s) \, V_{t+1}(s'), \qquad V_T = 0 .

    Args:
        transitions: ``(J, L, K, K)``.
        rewards: Expected pay, ``(J, L, K)``.
        prices: ``(T, J, L)``.

    Returns:
        Values ``V`` before each step, ``(T, J, K)``, and action values ``Q`` without the price of the step itself,
        ``(T, J, L, K)``.
    """
    steps = len(prices)
    values = np.zeros((steps, *rewards.shape[::2]))
    action_values = np.zeros((steps, *rewards.shape))
    following = np.zeros(values.shape[1:])
    for t in reversed(range(steps)):
        action_values[t] = rewards + np.einsum("jlst,jt->jls", transitions, following)
        following = values[t] = (action_values[t] - prices[t, :, :, None]).max(axis=1)
    return values, action_values


def discounted_values(transitions: Array, rewards: Array, gamma: float) -> Array:
    """Optimal discounted values of many small processes, by policy iteration.

    Args:
        transitions: ``(..., L, K, K)``.
        rewards: Expected pay, net of any price, ``(..., L, K)``.
        gamma: Discount, from 0 and below 1.

    Returns:
        ``(..., K)``.

    Raises:
        ConfigurationError: The discount is out of range.
    """
    if not 0.0 <= gamma < 1.0:
        raise ConfigurationError(f"gamma is {gamma}; expected at least 0 and below 1")
    levels, states = rewards.shape[-2:]
    shape = rewards.shape[:-2]
    p = np.broadcast_to(transitions, (*shape, levels, states, states)).reshape(-1, levels, states, states)
    r = rewards.reshape(-1, levels, states)
    each, every = np.arange(len(r))[:, None], np.arange(states)
    policy = r.argmax(axis=1)
    # Each round improves some process until none does; there are finitely many policies.
    while True:
        kernel, pay = p[each, policy, every], r[each, policy, every]
        values = np.linalg.solve(np.eye(states) - gamma * kernel, pay[..., None])[..., 0]
        q = r + gamma * np.einsum("blst,bt->bls", p, values)
        kept = np.take_along_axis(q, policy[:, None], axis=1)[:, 0]
        better = q.max(axis=1) > kept + 1e-10 * (1.0 + np.abs(kept))
        if not better.any():
            return np.asarray(values.reshape(*shape, states))
        policy = np.where(better, q.argmax(axis=1), policy)


def whittle_indices(transitions: Array, rewards: Array, gamma: float) -> Array:
    r"""Whittle index of each state: the subsidy for leaving the arm alone at which pulling it is worth the same.

    .. math:: W(s) = \lambda : \quad Q_\lambda(s, 1) = Q_\lambda(s, 0), \qquad
       Q_\lambda(s, a) = r(s, a) + \lambda \mathbb 1[a = 0] + \gamma \sum_{s'} P_a(s' \mid s) V_\lambda(s')

    By bisection, for all arms and states at once (P. Whittle, 1988).

    Args:
        transitions: ``(J, 2, K, K)``.
        rewards: Expected pay, ``(J, 2, K)``.
        gamma: Discount, from 0 and below 1.

    Returns:
        ``(J, K)``, to about ``1e-9`` of the range of the rewards. Meaningful for indexable arms, see :func:`indexable`.
    """
    if not 0.0 <= gamma < 1.0:
        raise ConfigurationError(f"gamma is {gamma}; expected at least 0 and below 1")
    reach = (rewards.max() - rewards.min()) / (1.0 - gamma) + 1.0
    low = np.full(rewards.shape[::2], -reach)
    high: Array = -low
    states = np.arange(rewards.shape[-1])
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        # One process for each arm and subsidy: (J, K', L, K).
        q = _subsidised(transitions[:, None], rewards[:, None], middle, gamma)
        prefers = q[:, states, 1, states] - q[:, states, 0, states] > 0.0
        low, high = np.where(prefers, middle, low), np.where(prefers, high, middle)
    return np.asarray((low + high) / 2.0)


def indexable(transitions: Array, rewards: Array, gamma: float, *, subsidies: int = 200) -> npt.NDArray[np.bool_]:
    """Whether no state of an arm is left alone under some subsidy and pulled again under a higher one.

    Args:
        transitions: ``(J, 2, K, K)``.
        rewards: Expected pay, ``(J, 2, K)``.
        gamma: Discount, from 0 and below 1.
        subsidies: Tried subsidies, evenly over the range of the indices.

    Returns:
        ``(J,)``; True says that no counterexample was among those tried.
    """
    indices = whittle_indices(transitions, rewards, gamma)
    room = 0.1 * (indices.max() - indices.min()) + 1e-6
    tried = np.linspace(indices.min() - room, indices.max() + room, subsidies)
    q = [_subsidised(transitions, rewards, np.full(len(rewards), subsidy), gamma) for subsidy in tried]
    pulled = np.stack([each[..., 1, :] - each[..., 0, :] > 1e-9 for each in q])
    return np.asarray((pulled[1:] <= pulled[:-1]).all(axis=(0, 2)))


def _subsidised(transitions: Array, rewards: Array, subsidies: Array, gamma: float) -> Array:
    """Action values ``(..., L, K)`` of arms that are paid subsidies ``(...)`` for being left alone."""
    pay = rewards + np.stack([subsidies, np.zeros_like(subsidies)], axis=-1)[..., None]
    values = discounted_values(transitions, pay, gamma)
    q: Array = pay + gamma * np.einsum("...lst,...t->...ls", np.broadcast_to(transitions, (*pay.shape, pay.shape[-1])), values)
    return q
