"""Prediction-guided: train the members with the weights that should make the front grow most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt

from morl.fields import CheckedFields, Count, NonNegative, Range
from morl.functional.dominance import non_dominated
from morl.weights.adaptation.briefing import Briefing, Changes, corner_keepers, require_movable
from morl.weights.adaptation.hyperbola import fit_hyperbola, hyperbola
from morl.weights.adaptation.population import Population, checked
from morl.weights.adaptation.predicted_front import greedy_choice, reassigned
from morl.weights.adaptation.solved import RESOLUTION, on_simplex
from morl.weights.front_gaps import ranges
from morl.weights.simplex_lattice import largest_lattice

Array = npt.NDArray[np.float64]

ENOUGH = 4
"""Different weights that a prediction needs: the curve has as many parameters."""
_NEAR, _SIGMA = 0.1, 0.03
"""Size of a neighbourhood of values, and the deviation of its certainty, in ranges of the front; both double together."""
_DISTINCT = 1e-5
_LATTICE = 100
"""Weights from which candidates are drawn with three objectives or more, at most."""


@dataclass(frozen=True, kw_only=True)
class PredictionGuided(CheckedFields):
    r"""Prediction-guided choice of members and weights (PGMORL).

    1. What a further period with weights :math:`w` would do to a member is predicted from what training did to members of
       nearly the same value: for each objective a curve :math:`\Delta_j(w_j)` is fitted (``hyperbola.py``) to the changes in
       a neighbourhood, 10 % of the front's range wide and doubled until it holds changes with four different weights.
    2. Candidates are all members with ``num_candidates`` weights within ``cone`` degrees of their own.
    3. Those are chosen, one after the other, whose predicted values together maximise
       :math:`HV - \alpha \, \mathrm{sparsity}` of the front (``predicted_front.py``). A member that is chosen
       several times is copied.

    Nothing moves before members were trained with four different weights.

    Source:
        Xu et al. 2020, and the authors' code. Deviations: values are measured in units of the front's range throughout (there
        in returns, and neighbourhoods in shares of the value, so that a component at 0 has none); copies are made of the
        members of the moment and not of a buffer of earlier policies; nobody is moved for what is predicted to be dominated;
        a member at each corner of the simplex stays (``keep_corners=False``: none does).

    Example:
        >>> weights, values = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]), np.array([[1.0, 0.0], [0.7, 0.7], [0.0, 1.0]])
        >>> rule = PredictionGuided()
        >>> rule(weights, values, values, rng=np.random.default_rng(0)).weights.tolist() == weights.tolist()
        True
    """

    num_candidates: Annotated[int, Range(ge=2, le=1_000)] = 7
    """Weights to consider for each member. Default of the authors' code."""
    cone: Annotated[float, Range(gt=0.0, le=90.0)] = 45.0
    """How far they may turn from the member's own, degrees."""
    alpha: NonNegative = 1.0
    """Price of sparsity, both in units of the front's range."""
    keep_corners: bool = True
    """Whether, for each objective, one of the members that work for it alone keeps doing so."""
    memory: Count = 1_000
    """How many of the latest changes to learn from."""

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
        """Choose members and weights; see :class:`~morl.weights.adaptation.UsesBriefing`."""
        w, v, archive = checked(weights, values, archive_values)
        told = Briefing.none(w.shape[1]) if briefing is None else briefing
        every = np.concatenate([archive, v])
        front = every[non_dominated(every)]
        stays = corner_keepers(w) & self.keep_corners
        if stays.all() or _distinct(told.changes.weights) < ENOUGH:
            return reassigned(w, stays, [], w[:0])
        lattice = largest_lattice(_LATTICE, w.shape[1]) if w.shape[1] > 2 else w[:0]
        offers = [np.concatenate([own[None], self._candidates(own, lattice, rng)]) for own in w]
        predicted = [predicted_values(told.changes, *pair, unit=ranges(front)) for pair in zip(v, offers, strict=True)]
        # Who stays is trained as well: the front is going to have them.
        coming = np.concatenate([front, *(p[:1] for p, here in zip(predicted, stays, strict=True) if here)])
        members = np.repeat(np.arange(len(w)), [len(offer) - 1 for offer in offers])
        flat = np.concatenate([offer[1:] for offer in offers])
        worth = np.concatenate([p[1:] for p in predicted])
        picks = greedy_choice(coming[non_dominated(coming)], worth, int((~stays).sum()), alpha=self.alpha)
        return reassigned(w, stays, members[picks], flat[picks])

    def _candidates(self, own: Array, lattice: Array, rng: np.random.Generator) -> Array:
        """Weights near those of a member, ``(c <= num_candidates, m)``: at even angles, with more objectives from a lattice."""
        limit = np.deg2rad(self.cone)
        if len(own) == 2:
            angles = np.arctan2(own[1], own[0]) + np.linspace(-limit, limit, self.num_candidates)
            directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
            directions = directions[(directions > -RESOLUTION).all(axis=1)]
        else:
            lattice = lattice[rng.permutation(len(lattice))]
            cosine = lattice @ own / np.linalg.norm(lattice, axis=1) / np.linalg.norm(own)
            near = (cosine > np.cos(limit)) & (np.abs(lattice - own).max(axis=1) > 1e-3)
            directions = np.concatenate([own[None], lattice[near]])[: self.num_candidates]
        return on_simplex(directions)


def predicted_values(changes: Changes, value: Array, weights: Array, *, unit: Array) -> Array:
    """What a member's value should be after one more period.

    Args:
        changes: Of members so far, with at least ``ENOUGH`` different weights.
        value: Of the member now, ``(m,)``, return units.
        weights: That it may be trained with, ``(c, m)``.
        unit: Range of each objective, ``(m,)``.

    Returns:
        ``(c, m)``, return units.
    """
    apart = np.abs(changes.before - value) / unit
    near, sigma = _NEAR, _SIGMA
    while _distinct(changes.weights[inside := (apart < near).all(axis=1)]) < ENOUGH:
        near, sigma = 2 * near, 2 * sigma
    x, moved = changes.weights[inside], (changes.after - changes.before)[inside] / unit
    squares = (np.linalg.norm(apart[inside], axis=1) / sigma) ** 2
    # The nearest one counts in full: with all of them far away the fit would stop before it began.
    certainty = np.exp(-(squares - squares.min()) / 2)
    curves = [fit_hyperbola(x[:, j], moved[:, j], certainty) for j in range(len(value))]
    predicted: Array = value + unit * np.stack([hyperbola(weights[:, j], c) for j, c in enumerate(curves)], axis=1)
    return predicted


def _distinct(weights: Array) -> int:
    return len(np.unique(np.round(weights / _DISTINCT), axis=0))
