"""Projected descent along finite differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from morl.fields import Positive, Range, Repeats
from robust.search.base import Proposals, WorstCaseSearch, refuse_finite
from robust.uncertainty.base import Region


@dataclass(frozen=True, kw_only=True)
class FiniteDifferenceSearch(WorstCaseSearch):
    """Several points of the cube descend side by side: central differences, normalised steps that shrink, projection.

    One generation holds the stencils of all points, ``starts * (2 d + 1)`` models.
    """

    starts: Repeats = 4
    """Points that descend; the first one starts in the middle, the others at random."""
    iterations: Repeats = 10
    """Steps of each."""
    difference: Annotated[float, Range(gt=0.0, lt=0.5)] = 0.05
    """Half-width of the central difference, in the cube."""
    step: Positive = 0.3
    """First step's largest move along an axis, in the cube; the last one's is a tenth of it."""

    def proposals(self, region: Region, *, rng: np.random.Generator) -> Proposals:
        refuse_finite(region, "finite_differences")
        d = region.dimension
        points = np.concatenate([np.full((1, d), 0.5), rng.random((self.starts - 1, d))])
        offsets = self.difference * np.concatenate([np.eye(d), -np.eye(d)])
        for step in np.geomspace(self.step, 0.1 * self.step, self.iterations):
            stencil = np.clip(points[:, None] + offsets, 0.0, 1.0)
            values = yield np.concatenate([points, stencil.reshape(-1, d)])
            around = values[self.starts :].reshape(self.starts, 2, d)
            # At a bound the stencil is one-sided and narrower.
            axes = np.arange(d)
            width = stencil[:, axes, axes] - stencil[:, d + axes, axes]
            slope = (around[:, 0] - around[:, 1]) / width
            steepest = np.abs(slope).max(1, keepdims=True)
            points = np.clip(points - step * slope / np.where(steepest > 0, steepest, 1.0), 0.0, 1.0)

    def evaluations(self, region: Region) -> int:
        return self.iterations * self.starts * (2 * region.dimension + 1)
