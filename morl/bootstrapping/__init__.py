"""What a vector Q-network learns from the next state: how targets are chosen, one rule per file."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

from morl.bootstrapping.double_q import DoubleQ
from morl.bootstrapping.envelope import Envelope
from morl.bootstrapping.lookahead import Lookahead
from morl.bootstrapping.preference_driven import PreferenceDriven
from morl.bootstrapping.smaller_q import SmallerQ


@runtime_checkable
class Bootstrap(Protocol):
    """A rule that values the next state; implementations are frozen dataclasses."""

    @property
    def num_networks(self) -> int:
        """Networks that are trained side by side."""
        ...

    @property
    def needs_conditioning(self) -> bool:
        """Whether it asks one network about other weights than a member's own."""
        ...

    @property
    def needs_listed_actions(self) -> bool:
        """Whether every combination of an action's components must have a value of its own."""
        ...

    @property
    def utility_share(self) -> float:
        """Part of the squared error that is taken of the weighed values, in [0, 1); the rest of each objective's."""
        ...

    def __call__(self, ahead: Lookahead) -> Tensor:
        """Targets of the batch, ``(n, B, m)``, return units."""
        ...


__all__ = ["Bootstrap", "DoubleQ", "Envelope", "Lookahead", "PreferenceDriven", "SmallerQ"]
