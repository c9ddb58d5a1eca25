"""Vector temporal-difference targets: one number per objective, so that critics stay valid when weights move."""

from __future__ import annotations

import torch
from torch import Tensor


def pessimistic_values(q: Tensor, weights: Tensor) -> Tensor:
    r"""Pick, for each entry, the whole vector of the critic whose scalarised value is smallest.

    Args:
        q: Values of the ``c`` critics, ``(n, c, ..., m)``, return units.
        weights: On the simplex, ``(n, m)``, or ``(n, B, m)`` with weights of its own for each entry of ``q``'s third axis.

    Returns:
        ``(n, ..., m)``: :math:`Q_{k^*}` with :math:`k^* = \arg\min_k w^\top Q_k`.
    """
    n, *batch, m = weights.shape
    spread = weights.view(n, 1, *batch, *(1,) * (q.dim() - 3 - len(batch)), m)
    chosen = (q * spread).sum(-1).argmin(1, keepdim=True)
    index = chosen.unsqueeze(-1).expand(*chosen.shape, m)
    return q.gather(1, index).squeeze(1)


def sac_target(
    rewards: Tensor, discounts: Tensor, next_q: Tensor, next_log_prob: Tensor, alpha: Tensor, weights: Tensor
) -> Tensor:
    r"""Soft actor-critic target of vector critics, continuous actions.

    .. math:: y = r + \gamma (1 - d) \left( Q'_{k^*}(s', a') - \alpha \log \pi(a' \mid s') \mathbf{1} \right),
        \quad k^* = \arg\min_k w^\top Q'_k(s', a')

    The entropy enters each objective equally; as the weights sum to one, :math:`w^\top y` is the scalar target of soft
    actor-critic on the scalarised reward.

    Args:
        rewards: ``(n, B, m)``, reward units.
        discounts: :math:`\gamma (1 - d)`, ``(n, B, 1)``, as the store gives them.
        next_q: Target critics at ``(s', a')``, ``(n, c, B, m)``, return units.
        next_log_prob: :math:`\log \pi(a' \mid s')`, ``(n, B)``.
        alpha: Temperature of each member, ``(n,)``.
        weights: ``(n, m)`` or ``(n, B, m)`` on the simplex.

    Returns:
        ``(n, B, m)``.

    Source:
        Haarnoja et al., Soft Actor-Critic Algorithms and Applications, 2018, eq. 3. Deviation: the minimum over critics
        is taken on scalarised values, the vector of that critic is kept.
    """
    bonus = (alpha.unsqueeze(-1) * next_log_prob).unsqueeze(-1)
    return rewards + discounts * (pessimistic_values(next_q, weights) - bonus)


def discrete_sac_target(
    rewards: Tensor, discounts: Tensor, next_q: Tensor, next_probs: Tensor, alpha: Tensor, weights: Tensor
) -> Tensor:
    r"""Soft actor-critic target of vector critics, discrete actions, with the exact expectation over actions.

    .. math:: y = r + \gamma (1 - d) \sum_a \pi(a \mid s')
        \left( Q'_{k^*(a)}(s', a) - \alpha \log \pi(a \mid s') \mathbf{1} \right)

    Args:
        rewards: ``(n, B, m)``, reward units.
        discounts: :math:`\gamma (1 - d)`, ``(n, B, 1)``, as the store gives them.
        next_q: Target critics at ``s'``, ``(n, c, B, A, m)``, return units.
        next_probs: :math:`\pi(a \mid s')`, ``(n, B, A)``; zeros are allowed.
        alpha: Temperature of each member, ``(n,)``.
        weights: ``(n, m)`` or ``(n, B, m)`` on the simplex.

    Returns:
        ``(n, B, m)``.

    Source:
        Christodoulou, Soft Actor-Critic for Discrete Action Settings, 2019, eq. 10, with vector critics as in
        :func:`sac_target`.
    """
    expected = (next_probs.unsqueeze(-1) * pessimistic_values(next_q, weights)).sum(-2)
    entropy = -torch.xlogy(next_probs, next_probs).sum(-1)
    return rewards + discounts * (expected + (alpha.unsqueeze(-1) * entropy).unsqueeze(-1))


def factored_sac_target(
    rewards: Tensor, discounts: Tensor, next_q: Tensor, next_log_probs: Tensor, alpha: Tensor, weights: Tensor
) -> Tensor:
    r"""Soft actor-critic target for actions of several choices, with additive critics and the exact expectation over actions.

    With :math:`\pi(a \mid s) = \prod_j \pi_j(a_j \mid s)` and :math:`Q_k(s, a) = \sum_j Q_{k,j}(s, a_j)` both the expected
    value and the entropy :math:`H` are sums over choices:

    .. math:: y = r + \gamma (1 - d) \left( V'_{k^*}(s') + \alpha H(\pi(\cdot \mid s')) \mathbf{1} \right), \quad
        V'_k(s') = \sum_j \sum_{a_j} \pi_j(a_j \mid s')\, Q'_{k,j}(s', a_j), \quad k^* = \arg\min_k w^\top V'_k(s')

    Args:
        rewards: ``(n, B, m)``, reward units.
        discounts: :math:`\gamma (1 - d)`, ``(n, B, 1)``, as the store gives them.
        next_q: Target critics at ``s'``, the options of all choices side by side, ``(n, c, B, S, m)``, return units.
        next_log_probs: :math:`\log \pi_j(a_j \mid s')`, ``(n, B, S)``.
        alpha: Temperature of each member, ``(n,)``.
        weights: ``(n, m)`` or ``(n, B, m)`` on the simplex.

    Returns:
        ``(n, B, m)``.

    Source:
        As :func:`discrete_sac_target`. Deviation: the pessimistic critic is chosen per state, not per action, since only the
        sum over choices is identified: single :math:`Q_{k,j}` of two critics cannot be compared.
    """
    probs = next_log_probs.exp()
    expected = pessimistic_values((probs[:, None, :, :, None] * next_q).sum(-2), weights)
    entropy = -(probs * next_log_probs).sum(-1)
    return rewards + discounts * (expected + (alpha.unsqueeze(-1) * entropy).unsqueeze(-1))


def double_q_target(rewards: Tensor, discounts: Tensor, next_utilities: Tensor, next_q: Tensor) -> Tensor:
    r"""Q-learning target of a vector critic: the online network chooses, the target network values.

    .. math:: y = r + \gamma (1 - d) Q'(s', a^*), \quad a^* = \arg\max_a u(Q(s', a))

    An action may be made of ``J`` choices whose values add up, :math:`Q(s, a) = \sum_j Q_j(s, a_j)`; then the best action is
    made of the best choices.

    Args:
        rewards: ``(n, B, m)``, reward units.
        discounts: :math:`\gamma (1 - d)`, ``(n, B, 1)``, as the store gives them.
        next_utilities: Scalarised values of the online network at ``s'``, ``(n, B, A)`` or ``(n, B, J, A)``; larger is better.
        next_q: Target network at ``s'``, ``(n, B, A, m)`` or ``(n, B, J, A, m)``, return units.

    Returns:
        ``(n, B, m)``.

    Source:
        van Hasselt et al., Deep Reinforcement Learning with Double Q-learning, AAAI 2016, eq. 4, with a vector value.
    """
    best = next_utilities.argmax(-1, keepdim=True).unsqueeze(-1)
    chosen = next_q.gather(-2, best.expand(*best.shape[:-1], next_q.shape[-1])).squeeze(-2)
    return rewards + discounts * (chosen.sum(-2) if chosen.dim() > rewards.dim() else chosen)


def smaller_q_target(rewards: Tensor, discounts: Tensor, next_q: Tensor, weights: Tensor) -> Tensor:
    r"""Q-learning target of several vector critics: for each action the critic that promises less counts.

    .. math:: y = r + \gamma (1 - d) Q'_{k^*(a^*)}(s', a^*), \quad k^*(a) = \arg\min_k w^\top Q'_k(s', a), \quad
        a^* = \arg\max_a w^\top Q'_{k^*(a)}(s', a)

    Args:
        rewards: ``(n, B, m)``, reward units.
        discounts: :math:`\gamma (1 - d)`, ``(n, B, 1)``, as the store gives them.
        next_q: Target critics at ``s'``, ``(n, c, B, A, m)``, return units.
        weights: ``(n, m)`` or ``(n, B, m)`` on the simplex.

    Returns:
        ``(n, B, m)``.

    Source:
        Alegre et al., Sample-Efficient Multi-Objective Learning via Generalized Policy Improvement Prioritization, AAMAS 2023
        (the networks' minimum along the weights; the vector of that network is kept). Deviations: none.
    """
    least = pessimistic_values(next_q, weights)
    spread = weights if weights.dim() == 3 else weights.unsqueeze(1)
    return double_q_target(rewards, discounts, (least * spread.unsqueeze(-2)).sum(-1), least)


def improved_values(q: Tensor, weights: Tensor) -> Tensor:
    r"""Weighed values of actions when the best of several policies is followed after each: :math:`\max_k w^\top Q_k(s, a)`.

    Args:
        q: Values of the ``K`` policies, ``(..., K, A, m)``, return units.
        weights: ``(..., m)`` on the simplex.

    Returns:
        ``(..., A)``; the policy that is greedy in them is, with exact values, at least as good as each of the ``K``.

    Source:
        Barreto et al., Successor Features for Transfer in Reinforcement Learning, NeurIPS 2017, theorem 1. Deviations: none.
    """
    best: Tensor = (q * weights[..., None, None, :]).sum(-1).amax(-2)
    return best


def envelope_target(rewards: Tensor, discounts: Tensor, next_q: Tensor, weights: Tensor) -> Tensor:
    r"""Q-learning target of a network for all weights that looks for the best action over a set of policies.

    .. math:: y = r + \gamma (1 - d) Q'(s', a^*, w^*), \quad (a^*, w^*) = \arg\max_{a, w' \in W} w^\top Q'(s', a, w')

    Args:
        rewards: ``(n, B, m)``, reward units.
        discounts: :math:`\gamma (1 - d)`, ``(n, B, 1)``, as the store gives them.
        next_q: Target network at ``s'`` for the weights of the set, ``(n, B, K, A, m)``, return units.
        weights: By which is judged, ``(n, B, m)`` on the simplex.

    Returns:
        ``(n, B, m)``.

    Source:
        Yang, Sun, Narasimhan, A Generalized Algorithm for Multi-Objective Reinforcement Learning and Policy Adaptation, NeurIPS
        2019, eq. 4: the optimality operator. Deviation: the maximum is over a set of weights, not over the whole simplex; the
        authors' code takes no maximum over weights at all.
    """
    choices = next_q.flatten(-3, -2)
    return double_q_target(rewards, discounts, (choices * weights.unsqueeze(-2)).sum(-1), choices)
