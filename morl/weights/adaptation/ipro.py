"""IPRO: members look for values above referents, the corners of what is not known yet, until nothing is left between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt

from morl.errors import CapabilityError, ConfigurationError, ShapeError
from morl.fields import CheckedFields, Count, NonNegative, Number, Positive, Range
from morl.functional.dominance import non_dominated
from morl.oracles import ReferentSearch
from morl.oracles.box_decomposition import ranges
from morl.scalarizations import Scalarization
from morl.weights.adaptation.population import Memory, Outlook, Population, checked

Array = npt.NDArray[np.float64]

_AUGMENTATION = 1e-3
"""Weight of the mean lead beside the smallest one where values are compared for a referent."""
_FAR = 100.0
"""Ranges by which an extreme member's referent lies below everything in the other objectives."""
_ABOUT = (
    "the most by which, in any objective and as a share of the range that was found, a value of the front may exceed the "
    "archive's nearest one, provided that members found the best values for their referents"
)


@dataclass(frozen=True, kw_only=True)
class IPRO(CheckedFields):
    r"""Iterated Pareto referent optimisation, all open referents side by side: each is the reference point of one member.

    A member maximises the smallest lead over its referent :math:`l`, in units of the objectives' ranges :math:`s`:

    .. math:: \min_j \frac{v_j - l_j}{w_j} + \rho \sum_j (v_j - l_j), \qquad w_j = s_j / \textstyle\sum_k s_k

    which is :class:`~morl.scalarizations.Achievement`. At every exchange

    1. all values of members and archive are told to the :class:`~morl.oracles.ReferentSearch`; a value that contradicts what
       an earlier member had concluded takes it back;
    2. a member is done when for ``patience`` exchanges nobody found a better value for its referent. Then nothing is said to be
       above the best one; or above the referent, if none beats it;
    3. the open referents at which nobody works get a member each, those first above which most may be: a copy of the member
       whose value is best there, a new individual. Members that are done and not needed leave.

    The first members look for the extremes: each has an objective, and a referent far below in all others. The box that is
    decomposed reaches from below the worst to the best of the non-dominated values found so far, and grows with them. With two
    objectives all of the front lies between the extremes. With more, some of it may be worse than they are, in an objective:
    what lies below the box is not searched for, so it reaches further (``reach``), or down to where it matters
    (``nadir_point``).

    The run ends when no referent is open. For two objectives this is IPRO-2D.

    Source:
        Röpke et al. 2025. Deviations: all referents at once; nothing is minimised; offset and tolerance are shares of the
        ranges; copies come from the nearest member and are new individuals, where the reference implementation goes on with
        the policy of the referent before; see :func:`morl.oracles.referent_search` for the bookkeeping.

    Example:
        >>> found = IPRO(patience=1)(np.eye(2), np.array([[0.0, 4.0], [4.0, 0.0]]), np.zeros((0, 2)))
        >>> found.reference_points.tolist(), found.weights.tolist()
        ([[4.0, -400.0], [-400.0, 4.0]], [[0.5, 0.5], [0.5, 0.5]])
    """

    tolerance: Annotated[float, Range(gt=0.0, lt=1.0)] = 1e-3
    """A value must beat its referent by more than this in each objective, share of the range."""
    offset: Positive = 0.01
    """By how much the box is larger than what was found on each side, share of the range; above ``tolerance``."""
    reach: NonNegative = 1.0
    """By how much more it is larger below, share of the range; more than two objectives need it. No member is trained longer
    for it, but referents at the edge come earlier."""
    patience: Count = 2
    """Exchanges in a row without a better value for a referent after which its member is done."""
    max_members: Count = 32
    """Members there may be at most, at least one for each objective."""
    nadir_point: tuple[Number, ...] | None = None
    """Worst value of each objective that matters, return units, instead of ``reach``."""

    remembers: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.offset <= self.tolerance:
            raise ConfigurationError(
                f"IPRO.offset is {self.offset:g} and tolerance {self.tolerance:g}; the offset must be the larger one, or the "
                "worst values of the front are on the edge of the box"
            )

    def check_utility(self, scalarization: Scalarization, normalisation: str) -> None:
        """Refuse what has no reference point in return units; see :class:`~morl.scalarizations.ChecksUtility`."""
        if not (scalarization.needs_ideal_point and normalisation == "none"):
            raise CapabilityError(
                "IPRO gives every member a reference point, in return units: set scalarization to achievement and "
                f"normalisation to none, not {type(scalarization).__name__} and {normalisation}"
            )

    def check_population(self, num_members: int, num_objectives: int) -> None:
        """Refuse room for fewer members than objectives; see :class:`~morl.weights.adaptation.ChecksPopulation`."""
        if self.max_members < num_objectives:
            raise ConfigurationError(
                f"IPRO begins with a member for each of the {num_objectives} objectives, found max_members {self.max_members}; "
                "raise it"
            )

    def __call__(
        self,
        weights: Array,
        values: Array,
        archive_values: Array,
        *,
        gains: Array | None = None,
        rng: np.random.Generator | None = None,
        trained: Sequence[int] | None = None,
        memory: Memory | None = None,
    ) -> Population:
        """Give every member a referent, without chance; see :class:`~morl.weights.adaptation.Remembers`."""
        _, v, archive = checked(weights, values, archive_values)
        if self.nadir_point is not None and len(self.nadir_point) != v.shape[1]:
            raise ShapeError(f"IPRO.nadir_point has {len(self.nadir_point)} numbers, but there are {v.shape[1]} objectives")
        seen = _Seen.of(np.concatenate([*([] if memory is None else [memory["points"]]), archive, v]), v)
        if memory is None:
            return seen.first_population()
        if len(memory["referents"]) != len(v):
            raise ShapeError(
                f"memory of {len(memory['referents'])} members, but there are {len(v)}; give that of this population"
            )
        here = np.ones(len(v), np.bool_) if trained is None else np.isin(np.arange(len(v)), list(trained))
        return self._next(seen, memory, here)

    def _next(self, seen: _Seen, memory: Memory, trained: npt.NDArray[np.bool_]) -> Population:
        is_start = bool(memory["is_start"][0])
        referents = seen.far_referents() if is_start else memory["referents"]
        before = seen.leads(referents, memory["best"]).diagonal()
        lead = seen.leads(referents, seen.points)
        better: npt.NDArray[np.bool_] = np.greater(lead.max(axis=1), before + self.tolerance * _AUGMENTATION)
        best: Array = np.where(better[:, None], seen.points[lead.argmax(1)], memory["best"])
        waited = np.where(better, 0.0, memory["waited"] + trained)
        done = waited >= self.patience
        everybody = np.arange(len(referents))
        if is_start and not done.all():
            return seen.population(everybody, referents, best, waited, claims=memory["claims"], error=np.inf)

        search = self._search(seen)
        found = np.all(best > referents + self.tolerance * seen.unit, axis=1)
        concluded = np.zeros((0, len(seen.unit))) if is_start else np.where(found[:, None], best, referents)[done]
        for claim in np.concatenate([memory["claims"], concluded]):
            # What is claimed of a point below the box holds for its edge; from above the box nothing follows.
            if (claim <= search.upper).all():
                search.close(np.maximum(claim, search.lower))

        vacant = search.referents()
        busy = np.zeros(0, np.int64) if is_start else np.flatnonzero(~done & search.is_open(referents))
        apart = np.abs(vacant[:, None] - referents[busy]) > 0.5 * self.tolerance * seen.unit
        vacant = vacant[np.all(np.any(apart, axis=2), axis=1)][: max(0, self.max_members - len(busy))]
        if not len(busy) and not len(vacant):
            return seen.population(
                everybody, referents, best, waited, claims=search.claims, error=search.error(), is_start=False, is_quiet=True
            )
        # A new individual copies the member whose value is best for its referent.
        copied = seen.leads(vacant, seen.values).argmax(1)
        nearest = seen.points[seen.leads(vacant, seen.points).argmax(1)] if len(vacant) else vacant
        return seen.population(
            np.concatenate([busy, copied]),
            np.concatenate([referents[busy], vacant]),
            np.concatenate([best[busy], nearest]),
            np.concatenate([waited[busy], np.zeros(len(vacant))]),
            claims=search.claims,
            error=search.error(),
            num_kept=len(busy),
            is_start=False,
        )

    def _search(self, seen: _Seen) -> ReferentSearch:
        """What the values say, before any claim."""
        lower, upper = seen.points.min(0) - self.reach * seen.unit, seen.points.max(0)
        if self.nadir_point is not None:
            lower = np.array(self.nadir_point)
            if (lower > upper).any():
                raise ConfigurationError(
                    f"IPRO.nadir_point is {lower.tolist()}, but the best values found are {upper.tolist()}; give a worse one"
                )
        search = ReferentSearch(lower, upper, offset=self.offset, tolerance=self.tolerance, unit=seen.unit)
        search.tell(seen.points)
        return search


@dataclass(frozen=True, kw_only=True, eq=False)
class _Seen:
    """What an exchange knows of the front."""

    points: Array
    """Non-dominated values, ``(p, m)``."""
    unit: Array
    """Their range, ``(m,)``; 1 where there is none."""
    values: Array
    """Of the members, ``(n, m)``."""

    @classmethod
    def of(cls, every: Array, values: Array) -> _Seen:
        points = every[non_dominated(every)]
        return cls(points=points, unit=ranges(points), values=values)

    def leads(self, referents: Array, points: Array) -> Array:
        """Smallest lead of points ``(p, m)`` over referents ``(q, m)``, ties settled by the mean lead, ``(q, p)``."""
        lead = (points - referents[:, None]) / self.unit
        result: Array = lead.min(-1) + _AUGMENTATION * lead.mean(-1)
        return result

    def far_referents(self) -> Array:
        """A referent for each objective: whoever leads over it by most is best in that one, ``(m, m)``."""
        far = np.tile(self.points.min(0) - _FAR * self.unit, (len(self.unit), 1))
        np.fill_diagonal(far, self.points.max(0))
        return far

    def first_population(self) -> Population:
        """A member for each objective."""
        referents = self.far_referents()
        copied = self.leads(referents, self.values).argmax(1)
        best = self.points[self.leads(referents, self.points).argmax(1)]
        return self.population(
            copied, referents, best, np.zeros(len(copied)), claims=np.zeros((0, len(self.unit))), error=np.inf, num_kept=0
        )

    def population(
        self,
        parents: npt.NDArray[np.int64],
        referents: Array,
        best: Array,
        waited: Array,
        *,
        claims: Array,
        error: float,
        num_kept: int | None = None,
        is_start: bool = True,
        is_quiet: bool = False,
    ) -> Population:
        """Members at referents, of whom the first ``num_kept`` stay who they are (None: all)."""
        count = len(referents)
        return Population(
            weights=np.tile(self.unit / self.unit.sum(), (count, 1)),
            parents=parents.tolist(),
            fresh=[num_kept is not None and i >= num_kept for i in range(count)],
            reference_points=referents,
            outlook=Outlook(lower=0.0, upper=error, is_quiet=is_quiet, about=_ABOUT),
            memory={
                "points": self.points, "claims": claims, "referents": referents, "best": best, "waited": waited,
                "is_start": np.array([float(is_start)]),
            },
        )  # fmt: skip
