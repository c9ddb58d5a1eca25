"""Everyone: the whole population is one neighbourhood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from morl.cooperation.neighbourhood.positions import Measure, checked_positions, nearest_first
from morl.fields import CheckedFields


@dataclass(frozen=True, kw_only=True)
class Everyone(CheckedFields):
    """All other members, nearest first.

    Source:
        Felten et al. 2024, neighbourhood "single". Deviations: none.

    Example:
        >>> Everyone()(np.array([[0.0, 1.0], [0.4, 0.6], [1.0, 0.0]])).tolist()
        [[1, 2], [0, 2], [1, 0]]
    """

    by: Measure = "weights"
    """What is near: members with like weights, values or parameters."""

    def __call__(self, positions: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """``(n, n - 1)``; see :class:`morl.cooperation.neighbourhood.Neighbourhood`."""
        return nearest_first(checked_positions(positions))
