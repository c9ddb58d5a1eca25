"""Linear support: work where a weighted sum may still gain most, until none may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from morl.errors import ConfigurationError
from morl.fields import CheckedFields, Count, NonNegative
from morl.functional.dominance import convex_non_dominated
from morl.scalarizations import Scalarization, require_weighted_sum
from morl.weights.adaptation.population import Attained, Outlook, Population, checked
from morl.weights.adaptation.solved import RESOLUTION, SolvedWeights, on_simplex
from morl.weights.linear_support import corner_weights, improvement_gains, nearest_distances, optimistic_gains

Array = npt.NDArray[np.float64]

MOST_TRIED = 100
"""Corner weights at which a network is tried at one exchange."""


@dataclass(frozen=True, kw_only=True)
class LinearSupport(CheckedFields):
    """Optimistic linear support: new members at the corner weights that may still gain most.

    Weights count as solved once a member was trained at them for a whole exchange period and evaluated afterwards. The
    corners of the simplex come first. Then, at every exchange:

    1. a member that another one beats at its own weights, by more than ``epsilon``, starts again as a copy of that one: its
       weights are not solved any more;
    2. up to ``batch`` corner weights that may gain more than ``epsilon`` and at which nobody works get a member each, a copy
       of the one whose value is best there; when there are ``max_members``, members move there that are not needed any more,
       because their value is at no weights the only best one. Which come first, ``priority`` says: those that may gain most
       (OLS), or those at which one network for all weights does gain most, tried in episodes (GPI-LS).

    There is nothing to do when no corner weights may gain more than ``epsilon`` and no member has just gained as much.

    Source:
        Roijers et al. 2015; Mossalam et al. 2016 (copies); Alegre et al. 2023 (GPI-LS). Deviations: what may be gained is
        estimated, since members learn and an optimal value is not known to be one; several weights at a time; solved weights
        are opened again.

    Example:
        >>> population = LinearSupport()(np.eye(2), np.eye(2), np.eye(2))
        >>> population.weights.tolist(), list(population.parents), population.outlook.upper - population.outlook.lower
        ([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]], [0, 1, 0], 0.5)
    """

    epsilon: NonNegative = 0.0
    """Gain to be content without, in units of the weighted return, ``>= 0``; a millionth of the objectives' ranges, the
    precision of what is learned, is added to it."""
    max_members: Count = 100
    """Members there may be at most; a larger population is not reduced."""
    batch: Count = 4
    """Weights that get a member at one exchange, at most. One is the published algorithm."""
    priority: Literal["ols", "gpi_ls"] = "ols"
    """Which corner weights come first: by the optimistic bound, or by what one network for all weights gains there already; the
    latter tries the :data:`MOST_TRIED` that may gain most."""
    patience: Count = 5
    """Exchanges in a row at which there was nothing to do before the run ends by itself: who has not gained lately may yet."""

    def check_utility(self, scalarization: Scalarization, normalisation: str) -> None:
        """Refuse what is no weighted sum in return units; see :class:`~morl.scalarizations.ChecksUtility`."""
        require_weighted_sum("LinearSupport", scalarization, normalisation)

    def check_population(self, num_members: int, num_objectives: int) -> None:
        """Refuse fewer members than corners; see :class:`~morl.weights.adaptation.ChecksPopulation`."""
        if num_members < num_objectives:
            raise ConfigurationError(
                f"LinearSupport begins with a member for each of the {num_objectives} objectives, found num_members "
                f"{num_members}; set num_members to {num_objectives} and weights to extrema"
            )

    @property
    def uses_network(self) -> bool:
        """Whether it asks what one network for all weights is worth at others than the members'."""
        return self.priority == "gpi_ls"

    def __call__(
        self,
        weights: npt.NDArray[np.float64],
        values: npt.NDArray[np.float64],
        archive_values: npt.NDArray[np.float64],
        *,
        gains: npt.NDArray[np.float64] | None = None,
        rng: np.random.Generator | None = None,
        solved: SolvedWeights | None = None,
        attained: Attained | None = None,
    ) -> Population:
        """Add and move members, without chance; see :class:`~morl.weights.adaptation.UsesSolvedWeights`."""
        w, v, archive = checked(weights, values, archive_values)
        w = on_simplex(w)
        if solved is None:
            solved = SolvedWeights.none(w.shape[1]).including(w, v)
        every = np.concatenate([archive, v, solved.values])
        every = every[convex_non_dominated(every)]
        room = self.epsilon + RESOLUTION * float(np.ptp(every, axis=0).max())

        theirs = v @ w.T  # of member i at the weights of member j
        teachers = theirs.argmax(axis=0)
        beaten = theirs.max(axis=0) - theirs.diagonal() > room
        reached, possible = (solved.weights * solved.values).sum(axis=1), (solved.weights @ every.T).max(axis=1)
        valid = solved.weights[possible - reached <= room]
        if attained is not None:
            # One network is all members at once: what it found anywhere it knows everywhere, and nobody can be copied.
            valid, beaten = solved.weights, np.zeros_like(beaten)

        corners = corner_weights(every)
        ahead = np.zeros(len(corners))
        unsolved = nearest_distances(corners, valid) > RESOLUTION
        ahead[unsolved] = _gains(corners[unsolved], valid, every)
        widest = int(ahead.argmax())
        lower = float((corners[widest] @ every.T).max())

        vacant = np.flatnonzero((ahead > room) & (nearest_distances(corners, w) > RESOLUTION))
        vacant = vacant[np.argsort(-ahead[vacant], kind="stable")]
        if self.uses_network and attained is not None and len(vacant) > 1 and np.isfinite(ahead[vacant[0]]):
            vacant = vacant[:MOST_TRIED]
            improved = improvement_gains(corners[vacant], attained(corners[vacant]), every)
            vacant = vacant[np.argsort(-improved, kind="stable")]
        vacant = vacant[: self.batch]
        was_trained = nearest_distances(w, solved.weights) <= RESOLUTION
        spare = np.flatnonzero(was_trained & ~beaten & ~convex_non_dominated(v))
        added = min(len(vacant), max(0, self.max_members - len(w)))
        moved = spare[: len(vacant) - added]
        new = corners[vacant[: added + len(moved)]]

        parents = np.where(beaten & was_trained, teachers, np.arange(len(w)))
        fresh = parents != np.arange(len(w))
        places = np.concatenate([np.arange(len(w), len(w) + added), moved])
        w, parents, fresh = (np.concatenate([x, np.zeros((added, *x.shape[1:]), x.dtype)]) for x in (w, parents, fresh))
        w[places], parents[places], fresh[places] = new, (v @ new.T).argmax(axis=0), True
        still_learning = gains is None or not bool((np.asarray(gains) <= room).all())
        return Population(
            weights=w,
            parents=parents.tolist(),
            fresh=fresh.tolist(),
            outlook=Outlook(
                lower=lower,
                upper=lower + float(ahead[widest]),
                # A network that stands still may only be slow: with one for all weights the budget decides.
                is_quiet=attained is None and not (fresh.any() or (ahead > room).any() or still_learning),
                about="weighted return of the archive at the weights that may gain most, and what there may be, provided that "
                f"members learned all there is at the {len(solved.weights)} weights they were trained at",
            ),
        )


def _gains(corners: Array, solved: Array, values: Array) -> Array:
    """What corner weights may gain ``(c,)``: as long as a corner of the simplex is not solved, these and nothing else."""
    is_extreme = corners.max(axis=1) >= 1.0
    if is_extreme.any():
        return np.where(is_extreme, np.inf, 0.0)
    return optimistic_gains(corners, solved, values)
