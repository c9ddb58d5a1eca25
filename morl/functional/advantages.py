"""How much better an action was than expected, per objective and scalarised."""

from __future__ import annotations

import torch
from torch import Tensor

_EPSILON = 1e-8  # added to standard deviations


def generalised_advantages(
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    ended: Tensor,
    gamma: float,
    lam: float,
    mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Estimate vector advantages by an exponentially weighted mean of n-step errors.

    .. math::
        \delta_t &= r_t + \gamma (1 - d_t) V(s'_t) - V(s_t) \\
        A_t &= \delta_t + \gamma \lambda (1 - e_t) A_{t+1}

    where :math:`d_t` is a terminal state and :math:`e_t` any end of an episode: what a time limit cuts bootstraps from the
    value of its true last observation, but no sum crosses it.

    Args:
        rewards: ``(T, R, m)``, reward units.
        values: :math:`V(s_t)`, ``(T, R, m)``, return units.
        next_values: :math:`V(s'_t)` of the observation that the step led to, ``(T, R, m)``.
        terminated: ``(T, R)`` bool.
        ended: Terminated or truncated, ``(T, R)`` bool.
        gamma: Discount per step.
        lam: Weight of longer horizons, in ``[0, 1]``.
        mask: Valid steps ``(T, R)`` bool, each row's being its first ones; None if all are.

    Returns:
        Advantages and value targets :math:`A_t + V(s_t)`, both ``(T, R, m)``; zero where not valid.

    Source:
        Schulman et al., High-Dimensional Continuous Control Using Generalized Advantage Estimation, ICLR 2016, eq. 16,
        applied to each objective.
    """
    dtype = rewards.dtype
    bootstrap = gamma * (1.0 - terminated.to(dtype)).unsqueeze(-1)
    errors = rewards + bootstrap * next_values - values
    carry = (gamma * lam * (1.0 - ended.to(dtype))).unsqueeze(-1)
    if mask is not None:
        valid = mask.unsqueeze(-1)
        # Selected, not multiplied: a value estimate of a padded step may be anything.
        errors, carry, values = torch.where(valid, errors, 0.0), torch.where(valid, carry, 0.0), torch.where(valid, values, 0.0)
    following = torch.zeros_like(rewards[0])
    advantages = []
    for t in range(rewards.shape[0] - 1, -1, -1):
        following = errors[t] + carry[t] * following
        advantages.append(following)
    stacked = torch.stack(advantages[::-1])
    return stacked, stacked + values


def normalised(advantages: Tensor, mask: Tensor | None = None) -> Tensor:
    """Shift and scale each member's advantages to mean 0 and standard deviation 1 over its valid entries.

    Args:
        advantages: ``(n, ...)``.
        mask: Valid entries, ``(n, ...)`` bool; None if all are.

    Returns:
        ``(n, ...)``; zero where not valid.
    """
    flat = advantages.flatten(1)
    valid = torch.ones_like(flat, dtype=torch.bool) if mask is None else mask.flatten(1)
    count = valid.sum(1, keepdim=True).clamp_min(1)
    centred = torch.where(valid, flat - torch.where(valid, flat, 0.0).sum(1, keepdim=True) / count, 0.0)
    deviation = (centred.square().sum(1, keepdim=True) / count).sqrt()
    return (centred / (deviation + _EPSILON)).view_as(advantages)


def scalarised_advantages(advantages: Tensor, weights: Tensor, mask: Tensor | None = None) -> Tensor:
    """Weigh vector advantages by each member's preference, then normalise them per member.

    Args:
        advantages: ``(n, ..., m)``, return units.
        weights: ``(n, m)`` on the simplex; for a non-linear scalarization the linearised ones.
        mask: Valid entries, ``(n, ...)`` bool; None if all are.

    Returns:
        ``(n, ...)``, unitless; zero where not valid.
    """
    n, m = weights.shape
    spread = weights.view(n, *(1,) * (advantages.dim() - 2), m)
    return normalised((advantages * spread).sum(-1), mask)
