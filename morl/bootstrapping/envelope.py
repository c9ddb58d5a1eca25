"""The best action over the policies for a set of weights: the envelope operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from morl.bootstrapping.lookahead import Lookahead
from morl.fields import CheckedFields, Range
from morl.functional import envelope_target


@dataclass(frozen=True, kw_only=True)
class Envelope(CheckedFields):
    """Look for the best action over the policies for the own and for ``number`` other weights of the batch.

    See :func:`morl.functional.envelope_target`.

    Source:
        Yang, Sun, Narasimhan, NeurIPS 2019. Deviations: every transition has weights of its own, instead of each of a few drawn
        ones; the share of the loss along the weights is constant, not raised while training, and stays below 1, since
        components are not identified by weighed values alone.
    """

    number: Annotated[int, Range(ge=2, le=1_000)] = 4
    """Other weights that are tried, from the same batch; with fewer than 2 there is no set."""
    utility_share: Annotated[float, Range(ge=0.0, le=0.9)] = 0.0
    """Part of the squared error that is taken of the weighed values, in [0, 0.9]."""

    num_networks = 1
    needs_conditioning = True
    needs_listed_actions = True

    def __call__(self, ahead: Lookahead) -> Tensor:
        """Targets; see :class:`~morl.bootstrapping.Bootstrap`."""
        n, batch, m = ahead.weights.shape
        others = ahead.weights[:, : self.number].unsqueeze(1).expand(n, batch, -1, m)
        asked = torch.cat([ahead.weights.unsqueeze(2), others], 2)
        return envelope_target(ahead.rewards, ahead.discounts, ahead.target(asked)[:, 0], ahead.weights)
