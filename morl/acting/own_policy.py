"""Act by what the policy for the own weights is worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from morl.fields import CheckedFields


@dataclass(frozen=True, kw_only=True)
class OwnPolicy(CheckedFields):
    r"""Follow the policy for these weights, greedily.

    .. math:: \arg\max_a w^\top Q(s, a, w)

    Source:
        Abels et al., ICML 2019; Envelope (Yang et al., NeurIPS 2019). Deviations: none.
    """

    @property
    def uses_support(self) -> bool:
        """No."""
        return False

    def __call__(self, values: Callable[[Tensor], Tensor], weights: Tensor, support: Tensor) -> Tensor:
        """Weigh the own policy's values; see :class:`~morl.acting.Acting`."""
        del support
        return (values(weights.unsqueeze(2)).squeeze(2) * weights.unsqueeze(-2)).sum(-1)
