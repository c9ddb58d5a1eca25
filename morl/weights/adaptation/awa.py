"""AWA: take members out of the crowd and put them where the front is thin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from morl.errors import CapabilityError, ConfigurationError
from morl.fields import CheckedFields, Count
from morl.functional.dominance import non_dominated
from morl.scalarizations import AugmentedChebyshev, Chebyshev, Scalarization, SmoothChebyshev
from morl.weights.adaptation.briefing import Briefing, corner_keepers, require_movable
from morl.weights.adaptation.population import Population, checked
from morl.weights.front_gaps import Gaps, chebyshev_gaps, chebyshev_weights, linear_gaps, ranges, vicinity_sparsity
from morl.weights.linear_support import nearest_distances

Array = npt.NDArray[np.float64]

_SHARE = 0.05
"""Of the members that move at one exchange."""
_SAME = 1e-3
"""Weights that differ by less look for the same thing, although the utility's units move a little with the archive."""


@dataclass(frozen=True, kw_only=True)
class AWA(CheckedFields):
    r"""Adaptive weight adjustment (MOEA/D-AWA): the most crowded members move to the widest gaps of the front.

    1. The ``nus`` members with the smallest vicinity sparsity are taken out, one after the other: the product of the distances
       to the ``m`` nearest other members' values. The first member at each corner of the simplex stays.
    2. Each gets the weights at which the two ends of a gap of the archive's front are worth the same, and becomes a copy of
       the member whose value is nearest to the gap. Gaps where somebody works already are left out; the width of one that has
       been looked into ``k`` times counts ``1 / (1 + k)``.

    What "worth the same" means depends on the utility, which MORL/D tells: for weighted sums these are the corner weights of
    the hull, for Chebyshev utilities the transform :math:`w_j \propto 1 / (z_j - v_j)` of the corner below both ends
    (``morl.weights.front_gaps``). The population should begin with members at the corners, as Riesz and lattices do.

    Source:
        Qi et al. 2014. Deviations: gaps and not archived points are looked for, since an archive of trained policies holds
        nothing that was not a member's own (``place="sparsest_point"`` is the rule as published, for Chebyshev utilities);
        distances are measured in units of the front's range (``normalise=False``: return units); a member at each corner stays.

    Example:
        >>> weights = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
        >>> values = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> AWA()(weights, values, values).weights.tolist()
        [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
    """

    nus: Count | None = None
    """Members that move at one exchange, fewer than there are; None: 5 % of them, at least one. Default of the paper."""
    place: Literal["widest_gap", "sparsest_point"] = "widest_gap"
    """Where they go: into the widest gaps of the front, or to the archived values farthest from all members."""
    normalise: bool = True
    """Measure distances in units of the front's range per objective, so that no objective's scale decides."""
    memory: Count = 1_000
    """How many of the latest changes to remember: which gaps were looked into."""

    def check_utility(self, scalarization: Scalarization, normalisation: str) -> None:
        """Raise CapabilityError for other utilities; see :class:`~morl.scalarizations.ChecksUtility`."""
        if scalarization.is_linear and self.place == "sparsest_point":
            raise CapabilityError(
                "AWA(place='sparsest_point') finds the weights of a point by the Chebyshev transform, which means nothing for "
                "a weighted sum; leave place out, or set scalarization to chebyshev"
            )
        if not (scalarization.is_linear or isinstance(scalarization, (Chebyshev, AugmentedChebyshev, SmoothChebyshev))):
            raise CapabilityError(
                f"AWA knows the gaps of weighted sums and of Chebyshev utilities, not of {type(scalarization).__name__}; set "
                "scalarization to weighted_sum, chebyshev, augmented_chebyshev or smooth_chebyshev"
            )

    def check_population(self, num_members: int, num_objectives: int) -> None:
        """Raise ConfigurationError for a population it cannot move; see :class:`~morl.weights.adaptation.ChecksPopulation`."""
        require_movable(self, num_members, num_objectives)
        if self.nus is not None and self.nus >= num_members:
            raise ConfigurationError(f"AWA.nus must be less than the {num_members} members, found {self.nus}")

    def __call__(
        self,
        weights: Array,
        values: Array,
        archive_values: Array,
        *,
        gains: Array | None = None,
        rng: np.random.Generator | None = None,
        briefing: Briefing | None = None,
    ) -> Population:
        """Move the most crowded members, without chance; see :class:`~morl.weights.adaptation.UsesBriefing`."""
        w, v, archive = checked(weights, values, archive_values)
        n, m = w.shape
        told = Briefing.none(m) if briefing is None else briefing
        every = np.concatenate([archive, v])
        front = every[non_dominated(every)]
        unit = ranges(front) if self.normalise else np.ones(m)
        crowded = self._crowded(v / unit, ~corner_keepers(w))
        if self.place == "widest_gap":
            found, middles = _widest(_gaps(front, told, unit), w, told, len(crowded))
        else:
            found, middles = _sparsest(front, told, unit, np.delete(v, crowded, axis=0), len(crowded))
        moved = crowded[: len(found)]
        parents = np.arange(n)
        parents[moved] = np.linalg.norm((middles[:, None] - v[None]) / unit, axis=-1).argmin(axis=1)
        w = w.copy()
        w[moved] = found
        return Population(weights=w, parents=parents.tolist(), fresh=(parents != np.arange(n)).tolist())

    def _crowded(self, values: Array, movable: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Members in the order in which they are taken out; values ``(n, m)`` in units."""
        n, m = values.shape
        distances = np.linalg.norm(values[:, None] - values[None], axis=-1)
        np.fill_diagonal(distances, np.inf)
        out: list[int] = []
        for _ in range(min(max(1, int(_SHARE * n)) if self.nus is None else self.nus, int(movable.sum()))):
            nearest = np.sort(distances, axis=1)[:, :m]
            sparsity = np.where(np.isfinite(nearest), nearest, 1.0).prod(axis=1)
            out.append(int(np.where(movable, sparsity, np.inf).argmin()))
            distances[:, out[-1]] = np.inf
            movable = movable & (np.arange(n) != out[-1])
        return np.array(out, dtype=np.int64)


def _gaps(front: Array, told: Briefing, unit: Array) -> Gaps:
    if told.ideal_point is None:
        return linear_gaps(front, scale=told.scale, unit=unit)
    return chebyshev_gaps(front, ideal_point=told.ideal_point, scale=told.scale, unit=unit)


def _widest(gaps: Gaps, weights: Array, told: Briefing, most: int) -> tuple[Array, Array]:
    """Weights and middles of the widest gaps where nobody works, ``(k <= most, m)`` each."""
    from scipy.spatial import KDTree

    tried = told.changes.weights
    visits: Array = np.zeros(len(gaps.widths))
    if len(tried) and len(visits):
        visits = KDTree(tried).query_ball_point(gaps.weights, _SAME, p=np.inf, return_length=True).astype(np.float64)
    worth = np.where(nearest_distances(gaps.weights, weights) > _SAME, gaps.widths / (1.0 + visits), 0.0)
    chosen = np.argsort(-worth, kind="stable")[:most]
    chosen = chosen[worth[chosen] > 0]
    return gaps.weights[chosen], gaps.middles[chosen]


def _sparsest(front: Array, told: Briefing, unit: Array, kept: Array, most: int) -> tuple[Array, Array]:
    """Weights of the archived values farthest from the members that stay, and the values, ``(most, m)`` each."""
    ideal = front.max(axis=0) if told.ideal_point is None else told.ideal_point
    there, found = kept / unit, []
    for _ in range(most):
        found.append(front[vicinity_sparsity(front / unit, there).argmax()])
        there = np.concatenate([there, found[-1][None] / unit])
    values = np.array(found).reshape(most, front.shape[1])
    return chebyshev_weights((ideal - values) / told.scale), values
