"""Constrained: maximise some objectives while the others stay above bounds, by a logarithmic barrier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from morl.fields import CheckedFields, Positive
from morl.scalarizations.base import aligned, distance

_EDGE = 1e-4
"""Distance from a bound below which the logarithm goes on as a straight line, in (scaled) return units."""


@dataclass(frozen=True, kw_only=True)
class Constrained(CheckedFields):
    r"""Weighted sum with a barrier that keeps what is not weighed above a bound.

    .. math:: g(v \mid w, b) = \sum_j w_j v_j + \frac{1}{t} \sum_j (1 - w_j)\, \phi(v_j - b_j), \qquad
        \phi(x) = \begin{cases} \ln x & x \ge \epsilon \\ \ln \epsilon + x / \epsilon - 1 & x < \epsilon \end{cases}

    The bounds ``b`` are what is given as ``ideal_point``; without one it is the weighted sum alone. With the weights
    :math:`e_l` it is C-MORL's constrained problem: the most of objective ``l`` subject to :math:`v_j \ge b_j` for all others.
    Where values form a convex set and nowhere at a bound an objective costs more than :math:`1 / (t \epsilon)` of another, its
    maximum is above all bounds, at most :math:`(m - 1) / t` below the best that they allow. Outside, the straight line goes on
    with the slope of :math:`\epsilon = 10^{-4}`: as long as a bound is missed, hardly anything counts but to reach it.
    Everywhere it is smooth, monotone and concave in ``v``.

    Source:
        Liu, Ding, Liu 2020, "IPO: Interior-point Policy Optimization under Constraints"; Liu et al. 2025 (C-MORL), constrained
        optimisation. Deviations: the barrier is a function of the expected return. Published code puts the mean return times
        the probability ratio of single actions into it, the policy gradient of which is zero.

    Example:
        >>> import numpy as np
        >>> v, w, b = np.array([3.0, 2.0]), np.array([1.0, 0.0]), np.array([0.0, 1.0])
        >>> float(Constrained()(v, w, ideal_point=b)), float(Constrained()(v, w))
        (3.0, 3.0)
        >>> round(float(Constrained()(v, w, ideal_point=b + 0.9)), 3)
        2.885
    """

    t: Positive = 20.0
    """Sharpness of the barrier, per (scaled) return unit, ``> 0``. Default of C-MORL; it means the same for every objective if
    they are measured in units of their range, ``normalisation: running``."""

    is_linear: ClassVar[bool] = False
    needs_ideal_point: ClassVar[bool] = False

    def __call__(self, values: Any, weights: Any, *, ideal_point: Any = None) -> Any:
        """Scalarise vector values; the bounds are the ideal point. See :class:`~morl.scalarizations.Scalarization`."""
        values, weights = aligned(values, weights)
        if ideal_point is None:
            return (weights * values).sum(-1)
        below, weights = distance("Constrained", values, weights, ideal_point)
        room = -below
        inside = room.clip(_EDGE)
        barrier = (inside.log() if isinstance(inside, Tensor) else np.log(inside)) - (_EDGE - room).clip(0.0) / _EDGE
        return (weights * values + (1.0 - weights) * barrier / self.t).sum(-1)
