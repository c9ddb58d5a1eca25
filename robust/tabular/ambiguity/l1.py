"""L1: distributions within some L1 distance of the nominal one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robust.tabular.ambiguity.base import Array, PairByPair, Support, checked_radius, checked_support, poured

_CHUNK = 32
_ROUNDING = 1e-15


@dataclass(frozen=True)
class L1(PairByPair):
    r"""The ball :math:`\lVert p - q\rVert_1 \le b` around each nominal distribution; total variation :math:`b/2`.

    The worst distribution moves ``min(b / 2, 1 - q_k)`` of mass to the worst outcome ``k``, away from the best ones.

    Source:
        Iyengar 2005, section 4. Deviations: none; ``support="nominal"`` is a common alternative and changes the values.

    Example:
        >>> q, z = np.array([[0.4, 0.3, 0.1, 0.2]]), np.array([1.0, 2.0, 5.0, 4.0])
        >>> [float(L1(b).worst_value(z, q)[0].round(9)) for b in (0.0, 0.2, 0.5, 1.0, 2.0)]
        [2.3, 1.9, 1.45, 1.1, 1.0]
    """

    radius: float
    """L1 distance, ``>= 0``; from 2 on it has no effect: nature may choose any distribution."""
    support: Support = "simplex"
    """`nominal` keeps outcomes impossible that nominally are; `simplex` allows every state, or every listed successor."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "radius", checked_radius("L1", self.radius))
        checked_support("L1", self.support)

    def worst_value(self, outcomes: Array, nominal: Array) -> Array:
        if outcomes.ndim == 1 and self.support == "simplex":
            return self._worst_value_shared(outcomes, nominal)
        return super().worst_value(outcomes, nominal)

    def worst_distribution(self, outcomes: Array, nominal: Array) -> Array:
        allowed = np.where(nominal > 0, outcomes, np.inf) if self.support == "nominal" else outcomes
        worst = np.broadcast_to(allowed, nominal.shape).argmin(axis=-1)[..., None]
        moved = np.minimum(self.radius / 2, 1.0 - np.take_along_axis(nominal, worst, axis=-1))
        result = nominal - poured(-outcomes, nominal, moved)
        np.put_along_axis(result, worst, np.take_along_axis(result, worst, axis=-1) + moved, axis=-1)
        return result

    def _worst_value_shared(self, outcomes: Array, nominal: Array) -> Array:
        """The same value where all pairs share one list of outcomes: one sort, and only the best outcomes are touched."""
        worst = int(outcomes.argmin())
        left = np.minimum(self.radius / 2, 1.0 - nominal[..., worst]).ravel()
        value = (nominal @ outcomes).ravel() + left * outcomes[worst]
        order = np.argsort(-outcomes, kind="stable")
        by_outcome = nominal.reshape(-1, len(outcomes)).T
        for start in range(0, len(order), _CHUNK):
            best = order[start : start + _CHUNK]
            taken = by_outcome[best]
            # One outcome after the other, all pairs at once: several times faster than numpy's cumulative sums.
            for mass in taken:
                np.minimum(mass, left, out=mass)
                left -= mass
            value -= outcomes[best] @ taken
            if left.max() <= _ROUNDING:
                break
        return np.asarray(value.reshape(nominal.shape[:-1]))
