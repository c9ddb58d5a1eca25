"""The policy for the own weights: the live network chooses, the target network values."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from morl.bootstrapping.lookahead import Lookahead
from morl.fields import CheckedFields
from morl.functional import double_q_target


@dataclass(frozen=True, kw_only=True)
class DoubleQ(CheckedFields):
    """Double Q-learning of the policy for the own weights. See :func:`morl.functional.double_q_target`.

    Source:
        van Hasselt et al., AAAI 2016, with vector values. Deviations: none.
    """

    num_networks = 1
    needs_conditioning = False
    needs_listed_actions = False
    utility_share = 0.0

    def __call__(self, ahead: Lookahead) -> Tensor:
        """Targets; see :class:`~morl.bootstrapping.Bootstrap`."""
        finite = ahead.finite
        utilities = (ahead.online(None)[:, 0] * ahead.weights.unsqueeze(2)).sum(-1)
        values = ahead.target(None)[:, 0]
        return double_q_target(ahead.rewards, ahead.discounts, finite.spread(utilities), finite.spread(values, -2))
