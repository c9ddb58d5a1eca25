"""UCB: choose the weights whose training should make the front grow most, and those of which least is known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt

from morl.fields import CheckedFields, Count, NonNegative, Positive, Range
from morl.functional.dominance import non_dominated
from morl.weights.adaptation.briefing import Briefing, Changes, corner_keepers, require_movable
from morl.weights.adaptation.population import Population, checked
from morl.weights.adaptation.predicted_front import greedy_choice, reassigned
from morl.weights.front_gaps import ranges
from morl.weights.linear_support import nearest_distances
from morl.weights.simplex_lattice import largest_lattice

Array = npt.NDArray[np.float64]

_SAME = 1e-3


@dataclass(frozen=True, kw_only=True)
class UCB(CheckedFields):
    r"""A bandit over weights, with upper confidence bounds (UCB-MOPPO's choice).

    What a period of training with weights :math:`w` adds to the objectives is a linear model of :math:`w`, fitted to the latest
    ``memory`` changes by ridge regression; ``num_models`` of them, each on changes drawn with repetition, tell mean
    :math:`\mu(w)` and deviation :math:`\sigma(w)`. In the :math:`t`-th period a candidate promises the value

    .. math:: V(w) + \mu(w) + \beta_t \, \sigma(w), \qquad \beta_t = \frac{c}{2} \sqrt{\frac{\log 2t}{t}},

    and those weights are chosen, one after the other, that together make the hypervolume of the front largest. Candidates are
    the members' weights and a lattice. :math:`V(w)` is what one network for all weights attains there, tried in episodes; with
    networks of their own it is the value of the member whose weights are nearest, and a second choice from the same member
    gets a copy of it.

    Source:
        UCB-MOPPO (arXiv 2405.00410). Deviations: one network, or one per member, and not one for each of ten parts of the
        simplex; ridge regressions in closed form and not elastic nets whose penalties are searched for at every step; changes
        are measured in units of the front's range for fitting and in returns again before they are added to values (the
        published code adds standardised changes to returns); a member at each corner of the simplex stays
        (``keep_corners=False``: none does).

    Example:
        >>> weights, values = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]), np.array([[1.0, 0.0], [0.7, 0.7], [0.0, 1.0]])
        >>> UCB()(weights, values, values, rng=np.random.default_rng(0)).weights.tolist() == weights.tolist()
        True
    """

    num_candidates: Annotated[int, Range(ge=2, le=1_000)] = 16
    """Size of the lattice, at most. One network for all weights is evaluated at each of its points."""
    num_models: Annotated[int, Range(ge=2, le=1_000)] = 30
    """How many regressions tell the deviation."""
    exploration: NonNegative = 1.0
    """Factor ``c`` of the deviation; 1 is the published one."""
    ridge: Positive = 0.01
    """Penalty of the regressions' squared coefficients, in units of the front's range."""
    keep_corners: bool = True
    """Whether, for each objective, one of the members that work for it alone keeps doing so."""
    memory: Count = 30
    """How many of the latest changes to learn from: what training adds becomes less with time."""

    def check_population(self, num_members: int, num_objectives: int) -> None:
        """Raise ConfigurationError for a population it cannot move; see :class:`~morl.weights.adaptation.ChecksPopulation`."""
        if self.keep_corners:
            require_movable(self, num_members, num_objectives, otherwise=", or keep_corners to false")

    def __call__(
        self,
        weights: Array,
        values: Array,
        archive_values: Array,
        *,
        gains: Array | None = None,
        rng: np.random.Generator,
        briefing: Briefing | None = None,
    ) -> Population:
        """Choose weights; see :class:`~morl.weights.adaptation.UsesBriefing`."""
        w, v, archive = checked(weights, values, archive_values)
        n, m = w.shape
        told = Briefing.none(m) if briefing is None else briefing
        stays = corner_keepers(w) & self.keep_corners
        if stays.all() or len(told.changes.weights) <= m:
            return reassigned(w, stays, [], w[:0])
        lattice = largest_lattice(self.num_candidates, m)
        lattice = lattice[nearest_distances(lattice, w) > _SAME]
        base = np.abs(lattice[:, None] - w[None]).max(-1).argmin(axis=1)
        known = v[base] if told.attained is None or not len(lattice) else told.attained(lattice)
        every = np.concatenate([archive, v] if told.attained is None else [archive, v, known])
        front = every[non_dominated(every)]
        unit = ranges(front)
        members, offers = np.concatenate([np.arange(n), base]), np.concatenate([w, lattice])
        changes = promised_changes(
            told.changes, offers, unit=unit, ridge=self.ridge, num_models=self.num_models, factor=self.exploration, rng=rng
        )
        promised = np.concatenate([v, known]) + changes
        coming = np.concatenate([front, promised[:n][stays]])
        may = np.flatnonzero(np.r_[~stays, np.ones(len(lattice), np.bool_)])
        picks = may[greedy_choice(coming[non_dominated(coming)], promised[may], int((~stays).sum()), alpha=0.0)]
        return reassigned(w, stays, members[picks], offers[picks])


def promised_changes(
    changes: Changes, weights: Array, *, unit: Array, ridge: float, num_models: int, factor: float, rng: np.random.Generator
) -> Array:
    """Upper confidence bound of what a period of training adds.

    Args:
        changes: Of members so far, at least one.
        weights: Where to look, ``(c, m)``.
        unit: Range of each objective, ``(m,)``.
        ridge: See :class:`~morl.weights.adaptation.UCB`.
        num_models: See :class:`~morl.weights.adaptation.UCB`.
        factor: Of the deviation, see ``exploration``.
        rng: Draws the changes of every regression.

    Returns:
        ``(c, m)``, return units.
    """
    count, m = changes.weights.shape
    drawn = rng.integers(count, size=(num_models, count))
    x, y = changes.weights[drawn], ((changes.after - changes.before) / unit)[drawn]
    coefficients = np.linalg.solve(x.swapaxes(1, 2) @ x + ridge * np.eye(m), x.swapaxes(1, 2) @ y)
    models = weights @ coefficients
    t = int(changes.period[-1]) + 1
    beta = 0.5 * factor * math.sqrt(math.log(2 * t) / t)
    bound: npt.NDArray[np.float64] = unit * (models.mean(axis=0) + beta * models.std(axis=0))
    return bound
