"""What targets are computed from: a batch, and the networks at its next observations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from morl.action_spaces import FiniteActions


@dataclass(frozen=True, eq=False)
class Lookahead:
    """A batch of transitions of some networks, seen from its next observations; ``c`` networks are trained side by side."""

    rewards: Tensor
    """``(n, B, m)``."""
    discounts: Tensor
    """``(n, B, 1)``; 0 where the episode ended."""
    weights: Tensor
    """By which is judged, ``(n, B, m)``, or ``(n, 1, m)`` where all of a batch are the same."""
    online: Callable[[Tensor | None], Tensor]
    """Values of all choices by the live networks, ``(n, c, B, S, m)``; of the policies for other weights ``(n, B, K, m)``:
    ``(n, c, B, K, S, m)``, where one network serves all."""
    target: Callable[[Tensor | None], Tensor]
    """The same by the target networks."""
    finite: FiniteActions
    """The choices."""
    support: Tensor
    """Weights of the population's members, ``(k, m)``."""
    returns: Tensor
    """Their running returns, ``(k, m)``; zeros where there was none yet."""
