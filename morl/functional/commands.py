r"""What a return-conditioned policy is told: a desired return and the steps left to get it.

An episode says what it was an example of: at every step the return that was still to come, and the number of steps that were
left (its *labels*). A policy that learned to take the episode's action when given its label is commanded alike: by a desired
return and a horizon, carried along the episode by :func:`next_command`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from morl.functional.returns import discounted_returns


def steps_to_go(ends: Tensor) -> Tensor:
    """Count the steps to the end of each episode, the present one included.

    Args:
        ends: Whether a step is the last of its episode, ``(T, R)`` bool; what follows the last end of a row counts to ``T``.

    Returns:
        ``(T, R)`` float64, at least 1.
    """
    one = torch.ones(*ends.shape, 1, dtype=torch.float64, device=ends.device)
    return discounted_returns(one, ends, 1.0).squeeze(-1)


def episode_labels(rewards: Tensor, ends: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    r"""Say what each step of some episodes was an example of.

    .. math:: R_t = \sum_{k \ge t} \gamma^{k - t} r_k, \qquad h_t = T - t

    Args:
        rewards: ``(T, R, m)``, reward units; rows that are shorter than ``T`` are padded with zeros.
        ends: Whether a step is the last of its episode, ``(T, R)`` bool.
        gamma: Discount per step, in ``(0, 1]``.

    Returns:
        Returns to go ``(T, R, m)``, return units, and steps to go ``(T, R)``; float64, since commands go over many steps.

    Example:
        >>> rewards = torch.tensor([[[1.0]], [[2.0]], [[3.0]]])
        >>> returns, steps = episode_labels(rewards, torch.tensor([[False], [False], [True]]), 0.9)
        >>> returns[:, 0, 0].tolist(), steps[:, 0].tolist()
        ([5.23, 4.7, 3.0], [3.0, 2.0, 1.0])
    """
    return discounted_returns(rewards.to(torch.float64), ends, gamma), steps_to_go(ends)


def next_command(desired: Tensor, horizon: Tensor, rewards: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    r"""Carry a command over one step.

    .. math:: R' = (R - r) / \gamma, \qquad h' = \max(h - 1, 1)

    so that whoever takes the actions of an episode and began with its label is always asked for the label of the step:
    returns to go are discounted from their own step. Published code subtracts only, which asks for what no episode showed
    unless :math:`\gamma = 1`.

    Args:
        desired: Desired returns, ``(..., m)`` float64, return units.
        horizon: Steps left, ``(..., 1)``.
        rewards: Received, ``(..., m)``.
        gamma: Discount of the labels, in ``(0, 1]``.

    Returns:
        Desired returns and horizon from the next step on.

    Example:
        >>> desired, horizon = torch.tensor([5.23], dtype=torch.float64), torch.tensor([3.0])
        >>> [round(x.item(), 6) for x in next_command(desired, horizon, torch.tensor([1.0]), 0.9)]
        [4.7, 2.0]
    """
    return (desired - rewards.to(desired.dtype)) / gamma, (horizon - 1).clamp_min(1)
