"""Saturate: a weighted sum in which no objective counts beyond its target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from morl.fields import CheckedFields, Positive
from morl.scalarizations.base import aligned, distance


@dataclass(frozen=True, kw_only=True)
class Saturate(CheckedFields):
    r"""Weighted sum of truncated objectives: what exceeds its target is not paid for.

    .. math:: g(v \mid w, z) = \sum_j w_j \min(v_j, \ell z_j)

    Unlike a minimum, it keeps diminishing returns: for set functions ``F_j`` with diminishing returns, so has
    :math:`g(F(\tau))`. It replaces the maximisation of the worst objective: in units of ``z``, the best possible value
    :math:`\ell` is reached exactly by the trajectories all of whose objectives reach :math:`\ell z_j`, so a search for the
    largest ``level`` that can be reached maximises the worst objective.

    Source:
        Krause, McMahan, Guestrin, Gupta 2008, "Robust Submodular Observation Selection" (SATURATE). Deviations: weights.

    Example:
        >>> import numpy as np
        >>> float(Saturate(level=0.5)(np.array([9.0, 4.0]), np.array([0.5, 0.5]), ideal_point=np.array([10.0, 10.0])))
        4.5
    """

    level: Positive = 1.0
    """Target of every objective as a part of the ideal point, ``> 0``."""

    is_linear: ClassVar[bool] = False
    needs_ideal_point: ClassVar[bool] = True

    def __call__(self, values: Any, weights: Any, *, ideal_point: Any = None) -> Any:
        """Scalarise vector values; see :class:`~morl.scalarizations.Scalarization`."""
        target = ideal_point
        if target is not None:
            target = self.level * (target if isinstance(target, Tensor) else np.asarray(target))
        shortfall, weights = distance("Saturate", values, weights, target)
        values, weights = aligned(values, weights)
        return (weights * (values + shortfall.clip(max=0.0))).sum(-1)
