"""Losses of policy-gradient learners, one per member: their sum gives each member exactly its own gradient."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def clipped_surrogate(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, clip: float, mask: Tensor | None = None
) -> Tensor:
    r"""Proximal policy optimisation loss (to be minimised).

    .. math:: L = -\operatorname{mean}_t
        \min\left( \rho_t A_t, \operatorname{clip}(\rho_t, 1 - \epsilon, 1 + \epsilon) A_t \right),
        \quad \rho_t = \pi(a_t \mid s_t) / \pi_\text{old}(a_t \mid s_t)

    Args:
        log_probs: Under the present policy, ``(n, ...)``; gradients flow here.
        old_log_probs: Under the policy that acted, ``(n, ...)``.
        advantages: Scalarised, ``(n, ...)``.
        clip: :math:`\epsilon`.
        mask: Valid entries, ``(n, ...)`` bool; None if all are.

    Returns:
        ``(n,)``: mean over each member's valid entries.

    Source:
        Schulman et al., Proximal Policy Optimization Algorithms, 2017, eq. 7.
    """
    log_ratio = log_probs - old_log_probs
    if mask is not None:
        # Before the exponential: an infinite ratio of a padded step would turn its zero gradient into NaN.
        log_ratio = torch.where(mask, log_ratio, 0.0)
        advantages = torch.where(mask, advantages, 0.0)
    ratio = log_ratio.exp()
    gains = torch.minimum(ratio * advantages, ratio.clamp(1.0 - clip, 1.0 + clip) * advantages).flatten(1)
    count = gains.shape[1] if mask is None else mask.flatten(1).sum(1).clamp_min(1)
    return -gains.sum(1) / count


def expected_utility_loss(
    log_probs: Tensor,
    returns: Tensor,
    utility: Callable[[Tensor], Tensor],
    episodes: Tensor | int,
    *,
    mask: Tensor | None = None,
    baseline: Tensor | None = None,
) -> Tensor:
    r"""Expected-utility policy-gradient loss (ESR, to be minimised).

    .. math:: L = -\frac{1}{E} \sum_{e, t} \left( u(R^-_t + \gamma^t G_t) - b_t \right) \log \pi(a_t \mid s_t, R^-_t)

    The utility sees the return of the whole episode, what was accrued before ``t`` included: a non-linear utility of the
    future alone would be another objective.

    Args:
        log_probs: :math:`\log \pi(a_t \mid s_t, R^-_t)`, ``(n, ...)``; gradients flow here.
        returns: :math:`R^-_t + \gamma^t G_t` (:func:`~morl.functional.accrued_rewards` plus
            :func:`~morl.functional.rewards_to_go`), ``(n, ..., m)``, return units.
        utility: Maps ``(n, ..., m)`` to ``(n, ...)``.
        episodes: Number of episodes of each member ``E``, ``(n,)`` or one number.
        mask: Valid entries, ``(n, ...)`` bool; None if all are.
        baseline: :math:`b_t`, ``(n, ...)``, utility units, not a function of the action; None for 0.

    Returns:
        ``(n,)``.

    Source:
        Roijers, Steckelmacher, Nowe, Multi-objective Reinforcement Learning for the Expected Utility of the Return, 2018.
        Deviation: mean over a batch of episodes and an optional baseline.
    """
    with torch.no_grad():
        gains = utility(returns)
        if baseline is not None:
            gains = gains - baseline
    if mask is not None:
        gains, log_probs = torch.where(mask, gains, 0.0), torch.where(mask, log_probs, 0.0)
    return -(gains * log_probs).flatten(1).sum(1) / episodes
