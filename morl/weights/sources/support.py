"""Weights of somebody: each is that of a member, all of them equally likely."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from morl.fields import CheckedFields


@dataclass(frozen=True, kw_only=True)
class SupportWeights(CheckedFields):
    """Draw one of the population's weights, uniformly: the weights that count, such as linear support's corner weights.

    Source:
        GPI-LS (Alegre et al., AAMAS 2023), where half of what is learned uses such weights. Deviations: none.

    Example:
        >>> support = torch.tensor([[1.0, 0.0]])
        >>> SupportWeights()(torch.zeros(2, 2), support, generator=torch.Generator()).tolist()
        [[1.0, 0.0], [1.0, 0.0]]
    """

    uses_support = True

    def __call__(self, own: Tensor, support: Tensor, *, generator: torch.Generator) -> Tensor:
        """Draw; see :class:`~morl.weights.sources.WeightSource`."""
        return support[torch.randint(len(support), (len(own),), generator=generator, device=own.device)]
