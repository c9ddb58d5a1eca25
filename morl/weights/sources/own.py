"""Own weights: those of the member, or of the episode that a transition is from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from morl.fields import CheckedFields


@dataclass(frozen=True, kw_only=True)
class OwnWeights(CheckedFields):
    """Leave the weights as they are: an episode is played with its member's, a transition learned from with its own.

    Source:
        GPI-LS (Alegre et al., AAMAS 2023) plays episodes so. Deviations: none.

    Example:
        >>> own = torch.tensor([[0.25, 0.75]])
        >>> OwnWeights()(own, own, generator=torch.Generator()).tolist()
        [[0.25, 0.75]]
    """

    uses_support = False

    def __call__(self, own: Tensor, support: Tensor, *, generator: torch.Generator) -> Tensor:
        """Return ``own``; see :class:`~morl.weights.sources.WeightSource`."""
        del support, generator
        return own
