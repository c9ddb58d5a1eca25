"""Smooth Chebyshev: the largest shortfall replaced by a log-sum-exp."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from morl.fields import Positive
from morl.scalarizations.base import FromIdealPoint, log_sum_exp


@dataclass(frozen=True, kw_only=True)
class SmoothChebyshev(FromIdealPoint):
    r"""Chebyshev with a smooth maximum: differentiable everywhere, every objective keeps a gradient.

    It lies below :class:`Chebyshev` by at most :math:`\mu \ln m`.

    .. math:: g(v \mid w, z) = -\mu \ln \sum_j \exp\big(w_j (z_j - v_j) / \mu\big)

    Source:
        Lin et al. 2024, "Smooth Tchebycheff Scalarization for Multi-Objective Optimization". Deviations: none.

    Example:
        >>> import numpy as np
        >>> s = SmoothChebyshev(mu=0.01)(np.array([10.0, 0.0]), np.array([0.5, 0.5]), ideal_point=np.array([10.0, 10.0]))
        >>> round(float(s), 6)
        -5.0
    """

    mu: Positive = 0.1
    """Smoothing, in (scaled) return units, ``> 0``; smaller is closer to the maximum."""

    def _worth(self, shortfall: Any, weights: Any) -> Any:
        return -self.mu * log_sum_exp(weights * shortfall / self.mu)
