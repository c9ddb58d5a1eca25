"""Selection: whose turn it is to learn, one rule per file."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from morl.selection.round_robin import RoundRobin


@runtime_checkable
class Selection(Protocol):
    """A pure function from the number of the turn to the members that learn in it; implementations are frozen dataclasses."""

    def __call__(self, turn: int, num_members: int) -> list[int]:
        """Choose members.

        Args:
            turn: Number of the turn, ``>= 0``.
            num_members: Size of the population, ``>= 1``.

        Returns:
            Indices of the members that learn, at least one, without repetition.
        """
        ...


__all__ = ["RoundRobin", "Selection"]
