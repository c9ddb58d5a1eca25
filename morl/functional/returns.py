"""Discounted sums of vector rewards over time-major trajectories ``(T, R, m)``."""

from __future__ import annotations

import torch
from torch import Tensor


def discounted_returns(rewards: Tensor, ends: Tensor, gamma: float, bootstrap: Tensor | None = None) -> Tensor:
    r"""Sum the discounted rewards from each step to the end of its episode.

    .. math:: G_t = r_t + \gamma (1 - e_t) G_{t+1}

    Args:
        rewards: ``(T, R, m)``, reward units; rows that are shorter than ``T`` are padded with zeros.
        ends: Whether a step is the last of its episode, ``(T, R)`` bool.
        gamma: Discount per step.
        bootstrap: Value of what follows step ``T - 1``, ``(R, m)``, used where that step is not an end; None for zero.

    Returns:
        ``(T, R, m)``, return units.
    """
    go_on = (gamma * (1.0 - ends.to(rewards.dtype))).unsqueeze(-1)
    following = torch.zeros_like(rewards[0]) if bootstrap is None else bootstrap
    returns = []
    for t in range(rewards.shape[0] - 1, -1, -1):
        following = rewards[t] + go_on[t] * following
        returns.append(following)
    return torch.stack(returns[::-1])


def accrued_rewards(rewards: Tensor, ends: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    r"""Sum the discounted rewards from the start of the episode up to, and without, each step.

    .. math:: R^-_t = \sum_{k < t} \gamma^k r_k

    with time counted from the start of the episode that step ``t`` belongs to.

    Args:
        rewards: ``(T, R, m)``, reward units; every row starts at the start of an episode.
        ends: Whether a step is the last of its episode, ``(T, R)`` bool.
        gamma: Discount per step, the same as in evaluation.

    Returns:
        The accrued rewards ``(T, R, m)`` and the discounts :math:`\gamma^t`, ``(T, R)``.
    """
    ends = ends.bool()
    past, discount = torch.zeros_like(rewards[0]), torch.ones_like(rewards[0, :, 0])
    accrued, discounts = [], []
    for t in range(rewards.shape[0]):
        accrued.append(past)
        discounts.append(discount)
        end = ends[t]
        past = torch.where(end.unsqueeze(-1), 0.0, past + discount.unsqueeze(-1) * rewards[t])
        discount = torch.where(end, 1.0, discount * gamma)
    return torch.stack(accrued), torch.stack(discounts)


def rewards_to_go(rewards: Tensor, ends: Tensor, gamma: float) -> Tensor:
    r"""Sum the rewards still to come, discounted from the start of the episode: :math:`R^+_t = \gamma^t G_t`.

    Together with :func:`accrued_rewards` it is the return of the whole episode, :math:`R^-_t + R^+_t = G_0`: what a
    utility under the ESR criterion must be given.

    Args:
        rewards: ``(T, R, m)``, reward units; every row starts at the start of an episode.
        ends: Whether a step is the last of its episode, ``(T, R)`` bool.
        gamma: Discount per step.

    Returns:
        ``(T, R, m)``, return units.
    """
    _, discounts = accrued_rewards(rewards, ends, gamma)
    return discounts.unsqueeze(-1) * discounted_returns(rewards, ends, gamma)
