"""Bounded archive: a limited number of non-dominated policies, those that cover most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from morl.archives.archive import Archive
from morl.archives.entry import Status
from morl.fields import Count, Number, check_fields
from morl.functional.dominance import dominates, non_dominated
from morl.indicators.convention import hypervolume_contributions


@dataclass(kw_only=True, eq=False)
class BoundedArchive(Archive):
    """At most ``capacity`` non-dominated policies.

    While there are too many, the one whose removal costs the least hypervolume goes (of equals the youngest). What stays
    depends on the order of insertion, as with every bounded archive.

    Source:
        Knowles et al. 2003, bounding by hypervolume contribution (computed by moocore). Deviations: none.

    Example:
        >>> archive = BoundedArchive(capacity=2, reference_point=(0.0, 0.0))
        >>> archive.keep(np.array([[4.0, 1.0], [1.0, 4.0], [1.5, 1.5]])).tolist()
        [True, True, False]
    """

    capacity: Count = 100
    """Largest number of entries, ``>= 1``."""
    reference_point: tuple[Number, ...] | None = None
    """Point from which hypervolume is measured, ``(m,)``, return units. None: a tenth of the front's range below its worst
    corner, so that the extremes stay."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_fields(self)

    def keep(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Mark at most ``capacity`` points of the Pareto front of ``values`` ``(p, m)``."""
        kept = non_dominated(values)
        if kept.sum() <= self.capacity:
            return kept
        front = values[kept]
        point = (
            front.min(axis=0) - 0.1 * np.ptp(front, axis=0)
            if self.reference_point is None
            else np.asarray(self.reference_point)
        )
        while kept.sum() > self.capacity:
            indices = np.flatnonzero(kept)
            contributions = hypervolume_contributions(values[indices], point)
            kept[indices[len(indices) - 1 - int(contributions[::-1].argmin())]] = False
        return kept

    def _reason(self, index: int, values: npt.NDArray[np.float64], kept: npt.NDArray[np.bool_]) -> Status:
        reason = super()._reason(index, values, kept)
        if reason is Status.DOMINATED and not dominates(values, values[index]).any():
            return Status.CROWDED
        return reason
