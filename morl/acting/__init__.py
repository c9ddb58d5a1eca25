"""How one acts with one network for all weights, one rule per file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from torch import Tensor

from morl.acting.own_policy import OwnPolicy
from morl.acting.policy_improvement import PolicyImprovement


@runtime_checkable
class Acting(Protocol):
    """A rule that turns vector values of several policies into one number for each action; a frozen dataclass."""

    @property
    def uses_support(self) -> bool:
        """Whether it asks what other policies than the own one are worth."""
        ...

    def __call__(self, values: Callable[[Tensor], Tensor], weights: Tensor, support: Tensor) -> Tensor:
        """Judge actions.

        Args:
            values: Vector values of the choices, ``(p, B, K, S, m)``, of the policies for given weights ``(p, B, K, m)``.
            weights: Preference by which is judged, ``(p, B, m)``.
            support: Weights of the policies that may be followed, ``(n, m)``.

        Returns:
            Weighed values of the choices, ``(p, B, S)``; larger is better.
        """
        ...


__all__ = ["Acting", "OwnPolicy", "PolicyImprovement"]
