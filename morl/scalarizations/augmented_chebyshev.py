"""Augmented Chebyshev: Chebyshev plus a small weighted sum that excludes weakly dominated points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from morl.fields import CheckedFields, NonNegative
from morl.scalarizations.base import distance, largest


@dataclass(frozen=True, kw_only=True)
class AugmentedChebyshev(CheckedFields):
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

    is_linear: ClassVar[bool] = False
    needs_ideal_point: ClassVar[bool] = True

    def __call__(self, values: Any, weights: Any, *, ideal_point: Any = None) -> Any:
        """Scalarise vector values.

        Args:
            values: Vector values, ``(..., m)``, return units; larger is better.
            weights: Preferences, ``(..., m)``; broadcasts against ``values``.
            ideal_point: Best value per objective ``(..., m)``, return units.

        Returns:
            ``(...)``, return units; larger is better.

        Raises:
            ShapeError: The shapes disagree.
            ConfigurationError: ``ideal_point`` is missing.
        """
        shortfall, weights = distance("AugmentedChebyshev", values, weights, ideal_point)
        weighted = weights * shortfall
        return -largest(weighted) - self.rho * weighted.sum(-1)
