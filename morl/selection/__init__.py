"""Selection: whose turn it is to learn, one rule per file."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from morl.selection.round_robin import RoundRobin
from morl.selection.standing import Standing


@runtime_checkable
class Selection(Protocol):
    """A pure function from the standing of a population to the members that learn; implementations are frozen dataclasses."""

    def __call__(self, standing: Standing) -> list[int]:
        """Choose members.

        Args:
            standing: What is known of them.

        Returns:
            Indices of the members that learn, at least one, without repetition.
        """
        ...


__all__ = ["RoundRobin", "Selection", "Standing"]
