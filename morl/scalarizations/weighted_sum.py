"""Weighted sum: the linear scalarization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from morl.scalarizations.base import aligned


@dataclass(frozen=True, kw_only=True)
class WeightedSum:
    r"""Sum of the objectives, each times its weight.

    Its maximisers are the points on the convex hull of the front only. For it, and for no other scalarization, the
    utility of the expected return equals the expected utility of the return.

    .. math:: g(v \mid w) = \sum_j w_j v_j

    Source:
        Standard. Deviations: none.

    Example:
        >>> import numpy as np
        >>> float(WeightedSum()(np.array([10.0, 2.0]), np.array([0.25, 0.75])))
        4.0
    """

    is_linear: ClassVar[bool] = True
    needs_ideal_point: ClassVar[bool] = False

    def __call__(self, values: Any, weights: Any, *, ideal_point: Any = None) -> Any:
        """Scalarise vector values, without an ideal point; see :class:`~morl.scalarizations.Scalarization`."""
        values, weights = aligned(values, weights)
        return (values * weights).sum(-1)
