r"""Referent search: find a front of any number of objectives, convex or not, by asking for points above referents.

Let :math:`P` be the values that were found and :math:`C` the *claims*: points of which somebody says that nothing that can be
attained is above them in every objective. With :math:`b` and :math:`t` the corners of the box,

.. math::
    L = \text{minimal corners of } \{x \ge b : \nexists p \in P,\ x < p\}, \qquad
    U = \text{maximal corners of } \{x \le t : \nexists c \in C,\ x > c\} .

``L`` are the referents: whatever is not dominated by a found value lies above one of them. ``U`` are the best values that there
may still be. As long as the claims are true,

.. math:: \max_{u \in U} \min_{v \in P} \max_j\, (u_j - v_j)

bounds by how much any value that can be attained exceeds the nearest one that was found.

References:
    Röpke, W. et al. (2025). Divide and conquer: provably unveiling the Pareto front with multi-objective reinforcement
    learning. AAMAS. The general rule, IPRO.
    Klamroth, K., Lacour, R. and Vanderpooten, D. (2015). On the representation of the search region in multi-objective
    optimization. European Journal of Operational Research 245.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from envs.arrays import Flags, Floats
from morl.errors import ConfigurationError, ShapeError
from morl.functional.dominance import checked_values, non_dominated
from morl.indicators import hypervolume
from morl.oracles.box_decomposition import Oracle, ranges


class ReferentSearch:
    """What is known of a front while answers come in: who asks about referents may be a learner, and about many at once.

    Values and claims are apart. A value (:meth:`tell`) was attained, whether or not something better can be: it is never wrong.
    A claim (:meth:`close`) says that nothing is above a point: a referent above which nobody found anything, or a value that
    nobody could improve. A claim that a later value contradicts is withdrawn at once, and what it had closed is open again.

    Guaranteed, at any time: a value that can be attained and is above no standing claim exceeds some found value by at most
    :meth:`error` in each objective (or by ``tolerance``, if that is more), in shares of the ranges. So the bound is right as
    soon as no claim is wrong, however poor the answers were; and a wrong claim hides at most what is above it, until a value
    from there is told.

    Example:
        >>> search = ReferentSearch([0.0, 0.0, 0.0], [4.0, 4.0, 4.0], offset=0.25)
        >>> search.referents().tolist()
        [[-1.0, -1.0, -1.0]]
        >>> search.tell([[1.0, 3.0, 2.0]])
        True
        >>> search.referents().tolist()
        [[1.0, -1.0, -1.0], [-1.0, -1.0, 2.0], [-1.0, 3.0, -1.0]]
    """

    def __init__(
        self,
        lower: npt.ArrayLike,
        upper: npt.ArrayLike,
        *,
        offset: float = 0.01,
        tolerance: float = 1e-6,
        unit: npt.ArrayLike | None = None,
    ) -> None:
        """Begin with one box.

        Args:
            lower: Worst value of each objective that matters, ``(m,)``. Front values below it are not searched for.
            upper: Best value of each objective, ``(m,)``.
            offset: By how much the box is larger on each side, so that the extreme values lie inside; share of the range.
            tolerance: An answer must beat its referent by more than this in each objective; share of the range.
            unit: What counts as the range of each objective, ``(m,)``, return units; None for ``upper - lower``.

        Raises:
            ShapeError: ``lower`` and ``upper`` have other shapes.
            ConfigurationError: A number is not finite, ``lower`` is above ``upper``, or ``offset``, ``tolerance`` or ``unit``
                is not positive.
        """
        corners = checked_values([lower, upper], "lower and upper")
        if (corners[0] > corners[1]).any():
            raise ConfigurationError(f"lower is {corners[0].tolist()}, above upper {corners[1].tolist()}; swap them")
        if not (offset > 0 and tolerance > 0):
            raise ConfigurationError(f"offset is {offset:g} and tolerance {tolerance:g}; expected positive numbers")
        self.unit: Floats = ranges(corners) if unit is None else checked_values([unit], "unit")[0]
        """Range of each objective, ``(m,)``, return units; 1 where there is none."""
        if self.unit.shape != corners[0].shape or not (self.unit > 0).all():
            raise ConfigurationError(f"unit is {self.unit.tolist()}; expected {corners.shape[1]} positive numbers")
        self.lower: Floats = corners[0] - offset * self.unit
        self.upper: Floats = corners[1] + offset * self.unit
        self.points: Floats = np.zeros((0, corners.shape[1]))
        """Found values that no other one dominates, ``(p, m)``."""
        self.claims: Floats = np.zeros((0, corners.shape[1]))
        """Points above which nothing is said to be, ``(c, m)``, without those that follow from others."""
        self._margin = tolerance * self.unit
        self._least, self._most = self.lower[None], self.upper[None]

    def referents(self) -> Floats:
        """Open referents ``(q, m)``, those first above which most may be: the hypervolume of what no claim excludes there."""
        is_open = (self._most > self._least[:, None] + self._margin).all(-1).any(1)
        referents = self._least[is_open]
        volumes = np.array([hypervolume((self._most - l) / self.unit, np.zeros(len(l))) for l in referents])
        ordered: Floats = referents[np.argsort(-volumes, kind="stable")]
        return ordered

    def is_open(self, referents: npt.ArrayLike) -> Flags:
        """Whether there may be anything above points ``(q, m)``, which need not be referents any more; ``(q,)``."""
        points = self._checked(referents, "referents")
        found: Flags = (self._most > points[:, None] + self._margin).all(-1).any(1)
        return found

    def tell(self, values: npt.ArrayLike) -> bool:
        """Take in values that were attained; claims that they contradict are withdrawn.

        Args:
            values: ``(k, m)``.

        Returns:
            Whether one of them is new to the front.

        Raises:
            ShapeError: The values have another shape.
            ConfigurationError: One is NaN or infinite, or better than the box allows.
        """
        points = self._checked(values, "values")
        if (points > self.upper).any():
            worst = points[(points > self.upper).any(1)][0]
            raise ConfigurationError(
                f"the value {worst.tolist()} is outside the box, whose best corner is {self.upper.tolist()}; raise upper"
            )
        together = np.concatenate([self.points, points])
        kept = non_dominated(together)
        new = together[kept & (np.arange(len(together)) >= len(self.points))]
        if not len(new):
            return False
        self.points = together[kept]
        for point in new:
            self._least = -_cut(-self._least, -point)
        refuted = (new[:, None] > self.claims + self._margin).all(-1).any(0)
        if refuted.any():
            claims, self.claims, self._most = self.claims[~refuted], self.claims[:0], self.upper[None]
            for claim in claims:
                self._claim(claim)
        return True

    def close(self, point: npt.ArrayLike) -> bool:
        """Claim that nothing is above a point in every objective.

        Args:
            point: A referent, now or earlier, or a value that nobody could improve, ``(m,)``.

        Returns:
            Whether the claim stands; not if a value is known that contradicts it.

        Raises:
            ShapeError: The point has another shape.
            ConfigurationError: It is NaN, infinite or outside the box.
        """
        corner = self._checked(np.asarray(point, np.float64)[None], "the referent")[0]
        if (corner < self.lower).any() or (corner > self.upper).any():
            raise ConfigurationError(
                f"the referent {corner.tolist()} is outside the box from {self.lower.tolist()} to {self.upper.tolist()}"
            )
        if (self.points > corner + self._margin).all(1).any():
            return False
        self._claim(corner)
        return True

    def error(self) -> float:
        """Bound of what is missing, ``max_u min_v max_j (u_j - v_j)`` in shares of the ranges; the class says when it holds."""
        is_open = (self._most > self._least[:, None] + self._margin).all(-1).any(0)
        best = self._most[is_open]
        if not len(best):
            return 0.0
        nearest = self.points if len(self.points) else self.lower[None]
        return float((((best[:, None] - nearest) / self.unit).max(-1)).min(1).max())

    def _claim(self, corner: Floats) -> None:
        if (self.claims <= corner).all(1).any():
            return
        self.claims = np.concatenate([self.claims[~(self.claims >= corner).all(1)], corner[None]])
        self._most = _cut(self._most, corner)

    def _checked(self, values: npt.ArrayLike, name: str) -> Floats:
        points = checked_values(values, name)
        if points.shape[1] != len(self.unit):
            raise ShapeError(f"{name} has {points.shape[1]} objectives, but the box has {len(self.unit)}")
        return points


def _cut(corners: Floats, bound: Floats) -> Floats:
    """Maximal corners ``(q', m)`` of what is below some corner ``(q, m)``, but not above the bound in every objective."""
    above = (corners > bound).all(1)
    if not above.any():
        return corners
    m = len(bound)
    cut = np.repeat(corners[above, None], m, axis=1)
    cut[:, np.arange(m), np.arange(m)] = bound
    together = np.concatenate([corners[~above], cut.reshape(-1, m)])
    maximal: Floats = together[non_dominated(together)]
    return maximal


@dataclass(frozen=True, kw_only=True, eq=False)
class Referents:
    """A front, and what is known of the rest."""

    points: Floats
    """Found values of the front, ``(p, m)``."""
    claims: Floats
    """Points above which the oracle found nothing, ``(c, m)``."""
    calls: int
    """Calls of the oracle."""
    error: float
    """Every value of the front exceeds some found one by at most this share of the range in each objective, or by the
    tolerance, if the oracle is exact."""


def referent_search(
    oracle: Oracle,
    lower: npt.ArrayLike,
    upper: npt.ArrayLike,
    *,
    offset: float = 0.01,
    tolerance: float = 1e-6,
    max_calls: int = 100_000,
) -> Referents:
    r"""Find a front by asking an oracle about referents, the one with the largest hypervolume above it first.

    With an exact oracle every value of the front is found that beats all others by more than ``tolerance`` in some objective,
    concave parts included. For two objectives it makes the calls of :func:`box_decomposition`; the number of referents grows
    with the power ``m // 2`` of the front.

    Args:
        oracle: From a referent ``(m,)`` to the value that maximises the smallest lead over it, such as :class:`MaxMinOracle`.
        lower: See :class:`ReferentSearch`; the front below it is not searched for.
        upper: See :class:`ReferentSearch`.
        offset: See :class:`ReferentSearch`.
        tolerance: See :class:`ReferentSearch`.
        max_calls: Calls after which to stop; ``error`` says what may be missing.

    Returns:
        The points, the claims, the calls and the error.

    Raises:
        ShapeError: A value has another shape.
        ConfigurationError: See :class:`ReferentSearch`.

    Source:
        Röpke et al. 2025, IPRO. Deviations: hypervolumes of all referents, not of 50 drawn ones; offset, tolerance and error
        are shares of the ranges, not return units; values and claims are apart, so nothing is replayed when an answer was not
        optimal: the claims that it contradicts are withdrawn.
    """
    search = ReferentSearch(lower, upper, offset=offset, tolerance=tolerance)
    calls = 0
    while calls < max_calls and len(open_referents := search.referents()):
        referent = open_referents[0]
        answer = np.asarray(oracle(referent), np.float64)
        search.tell(answer[None])
        calls += 1
        is_above = bool((answer > referent + tolerance * search.unit).all())
        search.close(answer if is_above else referent)
    return Referents(points=search.points, claims=search.claims, calls=calls, error=search.error())
