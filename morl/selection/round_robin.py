"""Round robin: one member after the other."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RoundRobin:
    """One member per turn, in the order of their indices, then from the start again.

    Source:
        Felten et al. 2024, selection "turn by turn". Deviations: none.

    Example:
        >>> [RoundRobin()(turn, 3) for turn in range(4)]
        [[0], [1], [2], [0]]
    """

    def __call__(self, turn: int, num_members: int) -> list[int]:
        """Choose the next member.

        Args:
            turn: Number of the turn, ``>= 0``.
            num_members: Size of the population, ``>= 1``.

        Returns:
            Its index, in a list.
        """
        return [turn % num_members]
