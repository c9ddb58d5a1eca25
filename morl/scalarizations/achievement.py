"""Achievement: Wierzbicki's achievement scalarizing function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from morl.fields import NonNegative
from morl.scalarizations.base import FromIdealPoint, largest

_SMALLEST_WEIGHT = 1e-10


@dataclass(frozen=True, kw_only=True)
class Achievement(FromIdealPoint):
    r"""Smallest lead over an aspiration point, each objective in units of its weight.

    The weights act as tolerances: an objective with a small weight must come close to the point first. The point
    (``ideal_point``) may be any aspiration, reachable or not.

    .. math::
        g(v \mid w, z) = \min_j \frac{v_j - z_j}{\max(w_j, 10^{-10})} + \rho \sum_j (v_j - z_j)

    Source:
        Wierzbicki 1980. Deviations: the augmenting sum is not divided by the weights, otherwise a weight of zero would
        make it outweigh the minimum.

    Example:
        >>> import numpy as np
        >>> float(Achievement()(np.array([3.0, 8.0]), np.array([0.5, 0.5]), ideal_point=np.array([4.0, 10.0])))
        -4.0
    """

    rho: NonNegative = 0.0
    """Factor of the sum, per return unit, ``>= 0``; a small positive one excludes weakly dominated points."""

    def _worth(self, shortfall: Any, weights: Any) -> Any:
        return -largest(shortfall / weights.clip(_SMALLEST_WEIGHT)) - self.rho * shortfall.sum(-1)
