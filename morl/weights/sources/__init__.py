"""Where the weights come from that one network for all weights acts and learns with, one rule per file."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from morl.weights.sources.dirichlet import DirichletWeights
from morl.weights.sources.hindsight import Hindsight
from morl.weights.sources.own import OwnWeights
from morl.weights.sources.support import SupportWeights


@runtime_checkable
class WeightSource(Protocol):
    """A rule that says with which weights episodes are played, or transitions are learned from; a frozen dataclass."""

    @property
    def uses_support(self) -> bool:
        """Whether it takes weights of other members, of which there must be some then."""
        ...

    def __call__(self, own: Tensor, support: Tensor, *, generator: torch.Generator) -> Tensor:
        """Choose weights.

        Args:
            own: Weights of each row's member, or those that the transition was made with, ``(B, m)``; not changed.
            support: Weights of all members, ``(n, m)``.
            generator: Source of randomness, on the tensors' device.

        Returns:
            ``(B, m)``, rows on the simplex.
        """
        ...


__all__ = ["DirichletWeights", "Hindsight", "OwnWeights", "SupportWeights", "WeightSource"]
