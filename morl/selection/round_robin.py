"""Round robin: one member after the other."""

from __future__ import annotations

from dataclasses import dataclass

from morl.selection.standing import Standing


@dataclass(frozen=True, kw_only=True)
class RoundRobin:
    """One member per turn, in the order of their indices, then from the start again.

    Source:
        Felten et al. 2024, selection "turn by turn". Deviations: none.

    """

    def __call__(self, standing: Standing) -> list[int]:
        """The index of the next member, in a list; see :class:`morl.selection.Selection`."""
        return [standing.turn % standing.num_members]
