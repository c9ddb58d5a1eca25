"""No neighbours: every member for itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from morl.cooperation.neighbourhood.positions import checked_positions


@dataclass(frozen=True, kw_only=True)
class NoNeighbours:
    """Nobody: mechanisms between neighbours do nothing.

    Source:
        Felten et al. 2024, neighbourhood "none". Deviations: none.
    """

    def __call__(self, positions: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """``(n, 0)``; see :class:`morl.cooperation.neighbourhood.Neighbourhood`."""
        return np.empty((len(checked_positions(positions)), 0), dtype=np.int64)
