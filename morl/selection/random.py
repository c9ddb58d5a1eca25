"""Random: members drawn by chance."""

from __future__ import annotations

from dataclasses import dataclass

from morl.fields import CheckedFields, Count
from morl.selection.floor import with_floor
from morl.selection.standing import Standing


@dataclass(frozen=True, kw_only=True)
class Random(CheckedFields):
    """``k`` members, all equally likely; each has a turn in ``3n`` turns at least.

    Source:
        Felten et al. 2024, selection "random". Deviations: the floor (:func:`morl.selection.floor.with_floor`).
    """

    k: Count = 1
    """Members per turn; all of them, if there are fewer."""

    def __call__(self, standing: Standing) -> list[int]:
        """Draw; see :class:`morl.selection.Selection`."""
        n = standing.num_members
        return with_floor(standing.rng.permutation(n)[: self.k].tolist(), standing)
