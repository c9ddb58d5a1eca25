"""Augmented Chebyshev: Chebyshev plus a small weighted sum that excludes weakly dominated points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from morl.fields import NonNegative
from morl.scalarizations.base import FromIdealPoint, largest


@dataclass(frozen=True, kw_only=True)
class AugmentedChebyshev(FromIdealPoint):
    r"""Chebyshev plus a small weighted sum.

    The sum breaks the ties in which one objective could still be improved at no cost to the largest shortfall, so the
    maximisers are not weakly dominated; a large ``rho`` hides points of a concave front.

    .. math:: g(v \mid w, z) = -\max_j w_j (z_j - v_j) - \rho \sum_j w_j (z_j - v_j)

    Source:
        Steuer and Choo 1983. Deviations: the sum is weighted too, so that an objective of weight zero stays irrelevant.

    Example:
        >>> import numpy as np
        >>> float(AugmentedChebyshev(rho=0.5)(np.array([2.0, 0.0]), np.array([0.5, 0.5]), ideal_point=np.array([4.0, 4.0])))
        -3.5
    """

    rho: NonNegative = 0.05
    """Factor of the sum, unitless, ``>= 0``."""

    def _worth(self, shortfall: Any, weights: Any) -> Any:
        weighted = weights * shortfall
        return -largest(weighted) - self.rho * weighted.sum(-1)
