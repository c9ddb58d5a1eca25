"""Chebyshev: minus the largest weighted shortfall from the ideal point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from morl.scalarizations.base import FromIdealPoint, largest


@dataclass(frozen=True, kw_only=True)
class Chebyshev(FromIdealPoint):
    r"""Minus the largest weighted shortfall from the ideal point.

    With positive weights it reaches every point of the front, also of a concave one, and weakly dominated ones beside
    them (:class:`AugmentedChebyshev` excludes those).

    .. math:: g(v \mid w, z) = -\max_j w_j (z_j - v_j)

    Source:
        Felten et al. 2024, scalarization dimension. Deviations: the usual form takes the absolute value
        :math:`|v_j - z_j|`, which agrees wherever :math:`v \le z` but punishes exceeding the ideal point, so that a policy
        better than everything seen so far would look worse. Without it the function is monotone everywhere. The ideal
        point is an argument instead of a running maximum hidden in the function.

    Example:
        >>> import numpy as np
        >>> z, w = np.array([10.0, 10.0]), np.array([0.5, 0.5])
        >>> (
        ...     float(Chebyshev()(np.array([10.0, 0.0]), w, ideal_point=z)),
        ...     float(Chebyshev()(np.array([6.0, 6.0]), w, ideal_point=z)),
        ... )
        (-5.0, -2.0)
    """

    def _worth(self, shortfall: Any, weights: Any) -> Any:
        return -largest(weights * shortfall)
