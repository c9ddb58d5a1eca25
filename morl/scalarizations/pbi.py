"""PBI: penalty-based boundary intersection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from morl.fields import NonNegative
from morl.scalarizations.base import FromIdealPoint, norm


@dataclass(frozen=True, kw_only=True)
class PBI(FromIdealPoint):
    r"""Distance to the ideal point along the preference, plus a penalty for leaving that direction.

    With :math:`d = z - v`, :math:`\hat w = w / \lVert w \rVert`, weights not all zero:

    .. math::
        g(v \mid w, z) = -(d_1 + \theta d_2), \quad d_1 = \langle d, \hat w \rangle, \quad
        d_2 = \lVert d - d_1 \hat w \rVert

    The penalty holds members at evenly spread points, but makes the function *not* monotone: improving one objective
    alone may cost more than it earns.

    Source:
        Zhang and Li 2007 (MOEA/D), PBI approach, written for maximisation. Deviations: :math:`d_1` keeps its sign, so
        exceeding the ideal point along the preference is rewarded.

    Example:
        >>> import numpy as np
        >>> w, z = np.array([0.6, 0.8]), np.array([10.0, 10.0])
        >>> (
        ...     round(float(PBI()(np.array([7.0, 6.0]), w, ideal_point=z)), 6),
        ...     round(float(PBI()(np.array([6.0, 13.0]), w, ideal_point=z)), 6),
        ... )
        (-5.0, -25.0)
    """

    theta: NonNegative = 5.0
    """Penalty factor, unitless, ``>= 0``. Default from Zhang and Li 2007."""

    def _worth(self, d: Any, weights: Any) -> Any:
        direction = weights / norm(weights)[..., None]
        along = (d * direction).sum(-1)
        return -(along + self.theta * norm(d - along[..., None] * direction))
