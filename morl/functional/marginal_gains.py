"""Policy gradient for rewards with diminishing returns: what each action is credited with."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Literal, TypeAlias

import torch
from torch import Tensor

if TYPE_CHECKING:
    from morl.task import Utility

Credit: TypeAlias = Literal["to_go", "total", "one_step"]
"""Which marginal gains an action is credited with."""


def credited_gains(gains: Tensor, credit: Credit, gamma: float = 1.0) -> Tensor:
    r"""Sum the marginal gains that an action is credited with.

    With :math:`g_j = \gamma^j F(s_{j+1} \mid \tau_{0:j})`, an action at step ``i`` is credited with

    - ``"to_go"``: :math:`\sum_{j \ge i} g_j`, the estimator of the theorem. Unbiased;
    - ``"total"``: :math:`\sum_j g_j`, the whole value, the same at every step. Unbiased, with more variance: the gains before
      ``i`` do not depend on the action;
    - ``"one_step"``: :math:`g_i` alone. **Biased**: it maximises the next gain, whatever follows.

    Args:
        gains: Marginal gains, ``(n, E, T, q)``; steps after the end of an episode are zero.
        credit: See above.
        gamma: Discount per step, counted from the start of the episode.

    Returns:
        ``(n, E, T, q)``.

    Source:
        Prajapat et al., Submodular Reinforcement Learning, 2024, policy gradient theorem.
    """
    if gamma != 1.0:
        gains = gains * gamma ** torch.arange(gains.shape[2], dtype=gains.dtype, device=gains.device)[:, None]
    if credit == "to_go":
        # From the last step to the first, as a loop would add.
        return gains.flip(2).cumsum(2).flip(2)
    if credit == "total":
        return gains.sum(2, keepdim=True).expand_as(gains)
    return gains


def utility_gains(gains: Tensor, utility: Utility, gamma: float = 1.0) -> Tensor:
    r"""Marginal gains of a utility of the values: :math:`u(F(\tau_{0:j+1})) - u(F(\tau_{0:j}))`.

    They telescope like those of the set functions, for any utility. What is maximised is then :math:`\mathbb{E}[u(F(\tau))]`
    (ESR). It has diminishing returns itself only if ``u`` is nondecreasing with nonpositive second derivatives, cross ones
    included: a concave function of a weighted sum, sums of concave or truncated objectives; a minimum (Chebyshev) is not.

    Args:
        gains: Marginal gains of every objective, ``(n, E, T, m)``; steps after the end of an episode are zero.
        utility: Of the ``n`` members.
        gamma: Discount per step; with a discount the values are the discounted sums of gains.

    Returns:
        ``(n, E, T, 1)``, undiscounted.
    """
    if gamma != 1.0:
        gains = gains * gamma ** torch.arange(gains.shape[2], dtype=gains.dtype, device=gains.device)[:, None]
    values = utility(gains.cumsum(2))
    start = utility(torch.zeros_like(gains[:, :, :1]))
    return torch.cat([start, values], 2).diff(dim=2).unsqueeze(-1)


def leave_one_out(credited: Tensor, mask: Tensor) -> Tensor:
    """Baseline of each step: what the member's other episodes were credited with at the same step, on average.

    It does not depend on the episode itself, so the gradient stays unbiased.

    Args:
        credited: ``(n, E, T, q)``.
        mask: Which steps took place, ``(n, E, T)`` bool.

    Returns:
        ``(n, E, T, q)``; zero where no other episode has come that far.
    """
    valid = mask.unsqueeze(-1).to(credited.dtype)
    others = valid.sum(1, keepdim=True) - valid
    inside = credited * valid
    return (inside.sum(1, keepdim=True) - inside) / others.clamp_min(1.0)


def balance_heuristic(log_probs: Tensor, mask: Tensor) -> Tensor:
    r"""Importance ratio of every prefix of every episode against the mixture of all members.

    .. math:: \rho_i(\tau_{0:j}) = \frac{\pi_i(a_0, \dots, a_j)}{\frac{1}{n} \sum_k \pi_k(a_0, \dots, a_j)}

    Episodes of all members then count as drawn from the mixture of their policies. The ratio is at most ``n``, which makes it
    usable where ratios between two policies explode. Transition probabilities cancel: all members must live in the same world.

    Args:
        log_probs: Log-probability of each action under each member, ``(n, N, T)`` for the ``N`` episodes of all members.
        mask: Which steps took place, ``(n, N, T)`` bool.

    Returns:
        ``(n, N, T)``.

    Source:
        Veach and Guibas, Optimally Combining Sampling Techniques for Monte Carlo Rendering, 1995, applied per decision
        (Precup, Sutton, Singh, Eligibility Traces for Off-Policy Policy Evaluation, 2000).
    """
    prefixes = torch.where(mask, log_probs, 0.0).cumsum(-1)
    mixture = torch.logsumexp(prefixes, 0, keepdim=True) - log(len(prefixes))
    return (prefixes - mixture).exp()


def marginal_gain_loss(log_probs: Tensor, advantages: Tensor, mask: Tensor) -> Tensor:
    r"""Loss whose negative gradient is the estimator of :math:`\nabla J`.

    .. math:: L = -\frac{1}{E} \sum_{e, i} A_{e, i} \log \pi(a_i \mid \tau_{0:i})

    Args:
        log_probs: ``(n, E, T)``; gradients flow here.
        advantages: Credit minus baseline, scalarised, ``(n, E, T)``.
        mask: Which steps took place, ``(n, E, T)`` bool.

    Returns:
        ``(n,)``.
    """
    return -torch.where(mask, advantages * log_probs, 0.0).sum((1, 2)) / mask.shape[1]
