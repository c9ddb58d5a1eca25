"""The next action is to lie in the direction of the preference, not only to have a large weighed value."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from morl.bootstrapping.lookahead import Lookahead
from morl.fields import CheckedFields
from morl.functional import double_q_target

_NEAR = 1e-4
"""Squared distance of weights below which members count alike."""


@dataclass(frozen=True, kw_only=True)
class PreferenceDriven(CheckedFields):
    r"""Choose the next action by its weighed value and by the angle between its value and the preference's direction.

    .. math::

        a^* = \arg\max_a u - (1 - \cos(p, \hat q)) |u|, \quad u = w^\top (Q(s', a) - \ell), \quad
        \hat q = (Q - \ell) / (h - \ell)

    :math:`\ell` and :math:`h` are the smallest and largest running returns of the members, and the direction :math:`p` is where
    the members with similar weights get to, in these units. For :math:`u \ge 0` this is :math:`u \cos(p, \hat q)`.

    Source:
        PD-MORL (Basaklar, Gumussoy, Ogras, ICLR 2023). Deviations: directions come from the running returns of the population's
        members, by inverse-distance weighting, not from separate runs for key preferences, whose steps are not counted there;
        values are measured from the members' smallest ones, instead of by constants that make them positive; there is no term
        of the angle in the loss, which would pull values away from returns.
    """

    num_networks = 1
    needs_conditioning = True
    needs_listed_actions = True
    utility_share = 0.0

    def __call__(self, ahead: Lookahead) -> Tensor:
        """Targets; see :class:`~morl.bootstrapping.Bootstrap`."""
        low, high = ahead.returns.amin(0), ahead.returns.amax(0)
        unit = torch.where(high > low, high - low, 1.0)
        directions = self.directions(ahead.weights, ahead.support, (ahead.returns - low) / unit)
        above = ahead.online(None)[:, 0] - low
        utility = (above * ahead.weights.unsqueeze(2)).sum(-1)
        cosine = torch.cosine_similarity(above / unit, directions.unsqueeze(2), dim=-1)
        return double_q_target(
            ahead.rewards, ahead.discounts, utility - (1.0 - cosine) * utility.abs(), ahead.target(None)[:, 0]
        )

    @staticmethod
    def directions(weights: Tensor, support: Tensor, reached: Tensor) -> Tensor:
        """Where preferences point.

        Args:
            weights: ``(n, B, m)`` on the simplex.
            support: Weights of the members, ``(k, m)``.
            reached: Their returns in units of the population's range, ``(k, m)``, in [0, 1].

        Returns:
            ``(n, B, m)``; the weights themselves where no member got anywhere.
        """
        nearness = 1.0 / ((weights.unsqueeze(2) - support).square().sum(-1) + _NEAR)
        found: Tensor = (nearness / nearness.sum(-1, keepdim=True)) @ reached
        return torch.where(found.sum(-1, keepdim=True) > 0, found, weights)
