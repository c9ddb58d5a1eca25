"""Tournament: the best of a few members drawn by chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from morl.fields import CheckedFields, Count
from morl.selection.floor import with_floor
from morl.selection.standing import Standing


@dataclass(frozen=True, kw_only=True)
class Tournament(CheckedFields):
    r"""Of ``k`` members drawn by chance the one whose training lately added most to the hypervolume.

    A tournament of one is :class:`~morl.selection.Random`, one of all members :class:`~morl.selection.Elitist`: without
    repetition, the member of rank ``r`` (from 0) wins in :math:`\binom{n - 1 - r}{k - 1} / \binom{n}{k}` of all draws.

    Source:
        Felten et al. 2024, selection "tournament". Deviations: what is compared is growth per step, not the value (a population
        of trade-offs has no best value); the floor (:func:`morl.selection.floor.with_floor`).
    """

    k: Count = 2
    """Members that compete; all of them, if there are fewer."""

    uses_growth: ClassVar[bool] = True

    def __call__(self, standing: Standing) -> list[int]:
        """Draw and compare; see :class:`morl.selection.Selection`."""
        drawn = set(standing.rng.permutation(standing.num_members)[: self.k].tolist())
        winner = next(member for member in standing.best_first(standing.growth) if member in drawn)
        return with_floor([winner], standing)
