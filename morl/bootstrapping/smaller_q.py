"""Two networks, of which for each action the one counts that promises less."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from morl.bootstrapping.lookahead import Lookahead
from morl.fields import CheckedFields
from morl.functional import smaller_q_target


@dataclass(frozen=True, kw_only=True)
class SmallerQ(CheckedFields):
    """Clipped Q-learning of the policy for the own weights, with two networks. See :func:`morl.functional.smaller_q_target`.

    Source:
        GPI-LS (Alegre et al., AAMAS 2023). Deviations: no dropout and no layer normalisation in the networks; the first one
        acts.
    """

    num_networks = 2
    needs_conditioning = False
    needs_listed_actions = True
    utility_share = 0.0

    def __call__(self, ahead: Lookahead) -> Tensor:
        """Targets; see :class:`~morl.bootstrapping.Bootstrap`."""
        return smaller_q_target(ahead.rewards, ahead.discounts, ahead.target(None), ahead.weights)
