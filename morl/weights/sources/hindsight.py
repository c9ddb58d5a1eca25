"""Hindsight: part of the transitions is learned from as if it had been met with other weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from morl.fields import CheckedFields, Share
from morl.weights.sources.dirichlet import DirichletWeights
from morl.weights.sources.support import SupportWeights

if TYPE_CHECKING:
    from morl.weights.sources import WeightSource


@dataclass(frozen=True, kw_only=True)
class Hindsight(CheckedFields):
    """Keep the own weights of some and give others to the rest: what was done for one preference teaches the others.

    Source:
        Abels et al., "Dynamic Weights in Multi-Objective Deep Reinforcement Learning", ICML 2019 (half and half). Deviation:
        the share is exact up to rounding, not drawn.

    Example:
        >>> own = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
        >>> drawn = Hindsight()(own, own, generator=torch.Generator().manual_seed(0))
        >>> drawn[1].tolist()
        [1.0, 0.0]
    """

    share: Share = 0.5
    """Part of the transitions that get other weights, in [0, 1]."""
    others: Literal["dirichlet", "support"] = "dirichlet"
    """Where these come from: uniformly from the simplex, or the members' weights."""

    @property
    def uses_support(self) -> bool:
        """If the others are members' weights."""
        return self.others == "support"

    def __call__(self, own: Tensor, support: Tensor, *, generator: torch.Generator) -> Tensor:
        """Mix; see :class:`~morl.weights.sources.WeightSource`."""
        source: WeightSource = DirichletWeights() if self.others == "dirichlet" else SupportWeights()
        # Transitions of a batch are drawn at random: its first part is as good as any.
        count = round(self.share * len(own))
        return torch.cat([source(own[:count], support, generator=generator), own[count:]])
