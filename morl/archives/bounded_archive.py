"""Bounded archive: a limited number of non-dominated policies, those that cover most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from morl.archives.archive import Archive, hashable
from morl.archives.entry import Status
from morl.errors import ShapeError
from morl.fields import Count, Number, check_fields
from morl.functional.dominance import non_dominated
from morl.indicators.convention import hypervolume_contributions
from morl.indicators.volume import contributions_are_quick, thinned


@dataclass(kw_only=True, eq=False)
class BoundedArchive(Archive):
    """At most ``capacity`` non-dominated policies.

    While there are too many, the one whose removal costs the least hypervolume goes (of equals the youngest). What stays
    depends on the order of insertion, as with every bounded archive. For many points with many objectives (81 with 6, 11 from
    13 on), where exact contributions take too long, they are estimated from samples, the same ones at every call.

    Source:
        Knowles et al. 2003, bounding by hypervolume contribution (computed by moocore). Deviations: estimates, see above.

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
        if not contributions_are_quick(*front.shape):
            if point.shape != front.shape[1:]:
                raise ShapeError(
                    f"BoundedArchive: reference_point has {point.size} entries, the values have {front.shape[1]} objectives"
                )
            kept[kept] = thinned(front - point, self.capacity)
            return kept
        while kept.sum() > self.capacity:
            indices = np.flatnonzero(kept)
            contributions = hypervolume_contributions(values[indices], point)
            kept[indices[len(indices) - 1 - int(contributions[::-1].argmin())]] = False
        return kept

    def _statuses(self, values: npt.NDArray[np.float64], kept: npt.NDArray[np.bool_]) -> list[Status]:
        statuses = super()._statuses(values, kept)
        if Status.DOMINATED not in statuses:
            return statuses
        points = hashable(values)
        front = {point for point, leads in zip(points, non_dominated(values), strict=True) if leads}
        return [
            Status.CROWDED if status is Status.DOMINATED and point in front else status
            for status, point in zip(statuses, points, strict=True)
        ]
