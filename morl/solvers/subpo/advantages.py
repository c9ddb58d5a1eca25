"""What the actions of a batch are credited with, beyond sums of gains: pure functions of whole episodes.

Letters used in shapes: ``n`` members, ``E`` episodes of each, ``T`` steps, ``q`` parts of a gain, ``K`` transition models.
"""

from __future__ import annotations

import torch
from torch import Tensor

from morl.functional.advantages import generalised_advantages
from morl.functional.marginal_gains import leave_one_out


def others_in_the_same_model(credited: Tensor, mask: Tensor, models: int) -> Tensor:
    """Leave-one-out baseline from the other episodes in the same transition model.

    Args:
        credited: ``(n, E, T)``.
        mask: Which steps took place, ``(n, E, T)``.
        models: ``K``; the episodes of a member take turns in them.

    Returns:
        ``(n, E, T)``.
    """

    def fold(part: Tensor) -> Tensor:
        """Models beside members: ``(n, E, T) -> (n K, E / K, T)``."""
        folded: Tensor = part.unflatten(1, (-1, models)).transpose(1, 2).flatten(0, 1)
        return folded

    others = leave_one_out(fold(credited).unsqueeze(-1), fold(mask)).squeeze(-1)
    baseline: Tensor = others.unflatten(0, (len(mask), models)).transpose(1, 2).flatten(1, 2)
    return baseline


def critic_advantages(gains: Tensor, values: Tensor, mask: Tensor, gamma: float, gae_lambda: float) -> tuple[Tensor, Tensor]:
    """Advantages and value targets of a critic that has not seen the episodes.

    Args:
        gains: ``(n, E, T, q)``.
        values: Predicted, ``(n, E, T, q)``.
        mask: ``(n, E, T)``.
        gamma: Discount.
        gae_lambda: Weight of longer horizons.

    Returns:
        ``(n, E, T, q)`` each.
    """
    n, rows, steps = mask.shape
    # What follows the last step is worth nothing: episodes are judged by what they gained until their end.
    following = torch.cat([values[:, :, 1:], torch.zeros_like(values[:, :, :1])], 2)
    last = torch.arange(steps, device=mask.device) == mask.sum(2, keepdim=True) - 1
    following = torch.where(last.unsqueeze(-1), 0.0, following)

    def time_major(part: Tensor) -> Tensor:
        return part.flatten(0, 1).transpose(0, 1)

    ends = time_major(last)
    parts = generalised_advantages(
        time_major(gains), time_major(values), time_major(following), ends, ends, gamma, gae_lambda, time_major(mask)
    )
    advantages, targets = (part.transpose(0, 1).unflatten(0, (n, rows)) for part in parts)
    return advantages, targets


def spread_of(advantages: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Standard deviation of each member's advantages ``(n, E, T)`` over the valid steps, and the least to divide by.

    Returns:
        ``(n, 1)`` each. The floor keeps rounding errors of equal credits from being blown up into a signal.
    """
    flat, valid = advantages.flatten(1), mask.flatten(1)
    number = valid.sum(1, keepdim=True).clamp_min(1)
    centred = torch.where(valid, flat - flat.sum(1, keepdim=True) / number, 0.0)
    deviation = (centred.square().sum(1, keepdim=True) / number).sqrt()
    return deviation, 1e-5 * flat.abs().amax(1, keepdim=True) + 1e-6
