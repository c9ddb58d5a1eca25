"""Elitist: the members that gained most lately."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from morl.fields import CheckedFields, Count
from morl.selection.floor import with_floor
from morl.selection.standing import Standing


@dataclass(frozen=True, kw_only=True)
class Elitist(CheckedFields):
    """The ``k`` members whose training lately added most to the hypervolume, per step; who was not measured yet comes first.

    Source:
        Xu et al. 2020 (PGMORL), selection of what is predicted to gain most. Deviations: the prediction is that a member goes
        on as it did in its latest turns; members keep their weights; the floor (:func:`morl.selection.floor.with_floor`).
    """

    k: Count = 1
    """Members per turn; all of them, if there are fewer."""

    uses_growth: ClassVar[bool] = True

    def __call__(self, standing: Standing) -> list[int]:
        """Take the best; see :class:`morl.selection.Selection`."""
        return with_floor(standing.best_first(standing.growth)[: self.k], standing)
