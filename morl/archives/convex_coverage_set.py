"""Convex coverage set: every policy that is best for some weighted sum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from morl.archives.archive import Archive
from morl.functional.dominance import convex_non_dominated


@dataclass(kw_only=True, eq=False)
class ConvexCoverageSet(Archive):
    """The fewest policies that contain a best one for every weighted sum of the objectives.

    Points in a concave part of the front, or on a segment between others, are left out; their status is ``dominated``.

    Example:
        >>> ConvexCoverageSet().keep(np.array([[4.0, 0.0], [1.0, 1.0], [0.0, 4.0]])).tolist()
        [True, False, True]
    """

    def keep(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Mark the convex coverage set of ``values`` ``(p, m)``."""
        return convex_non_dominated(values)
