"""Weights drawn anew, uniformly from the simplex or from a cone about its centre."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from morl.fields import CheckedFields, Range


@dataclass(frozen=True, kw_only=True)
class DirichletWeights(CheckedFields):
    r"""Draw from the flat Dirichlet distribution: every point of the simplex is as likely as any other.

    With a ``cone`` of :math:`c` degrees draws are pulled to the centre :math:`\mathbf{1} / m`, along straight lines, by the one
    factor that brings the corners to the angle :math:`c` from it: a smaller simplex, never a negative weight.

    Source:
        Uniform draws: conditioned networks (Abels et al., ICML 2019), Envelope (Yang et al., NeurIPS 2019). The cone: CAPQL (Lu
        et al., ICLR 2023) uses 22.5 degrees. Deviation: there it is round, and from seven objectives on it gives negative
        weights.

    Example:
        >>> draws = DirichletWeights()(torch.zeros(4, 3), torch.zeros(1, 3), generator=torch.Generator().manual_seed(0))
        >>> draws.shape, bool((draws >= 0).all())
        (torch.Size([4, 3]), True)
    """

    cone: Annotated[float, Range(gt=0.0, le=90.0)] | None = None
    """Largest angle from the centre of the simplex, degrees; None for the whole simplex."""

    uses_support = False

    def __call__(self, own: Tensor, support: Tensor, *, generator: torch.Generator) -> Tensor:
        """Draw; see :class:`~morl.weights.sources.WeightSource`."""
        del support
        # Normalised exponential variables are Dirichlet distributed.
        drawn = torch.empty_like(own).exponential_(generator=generator)
        return self.pulled(drawn / drawn.sum(-1, keepdim=True))

    def pulled(self, weights: Tensor) -> Tensor:
        """Points of the simplex ``(B, m)`` where the cone has them."""
        m = weights.shape[-1]
        if self.cone is None or self.cone >= 90.0 or m == 1:
            return weights
        # Of a corner pulled by s, the centre's component is 1 / sqrt(m), the one across it s * sqrt(1 - 1 / m).
        pull = min(1.0, math.tan(math.radians(self.cone)) / math.sqrt(m - 1))
        return 1.0 / m + pull * (weights - 1.0 / m)
