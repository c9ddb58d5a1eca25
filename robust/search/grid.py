"""Every point of a regular grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from morl.errors import ConfigurationError
from morl.fields import GridPoints
from robust.search.base import Proposals, WorstCaseSearch
from robust.uncertainty.base import Array, Region

_MOST_MODELS = 100_000


@dataclass(frozen=True, kw_only=True)
class GridSearch(WorstCaseSearch):
    """Evaluates a regular grid, or every model of a list."""

    points_per_dimension: GridPoints = 10
    """Points along each free parameter; a list of models is evaluated whole."""
    half_open: bool = False
    """Leave out the upper end of every range, as some published evaluations do."""

    def points(self, region: Region) -> Array:
        """The grid as points of the cube, ``(N, d)``; the last parameter changes fastest."""
        if region.candidates is not None:
            count = len(region.candidates)
            return ((np.arange(count) + 0.5) / count)[:, None]
        if (count := self.points_per_dimension**region.dimension) > _MOST_MODELS:
            raise ConfigurationError(
                f"a grid of {self.points_per_dimension} points along {region.dimension} parameters has {count:,} models; use "
                "fewer points (grid_points, points_per_dimension), fewer parameters, or search: sobol"
            )
        axis = np.linspace(0.0, 1.0, self.points_per_dimension, endpoint=not self.half_open)
        axes = np.meshgrid(*[axis] * region.dimension, indexing="ij")
        return np.stack(axes, -1).reshape(-1, region.dimension) if axes else np.zeros((1, 0))

    def models(self, region: Region) -> Array:
        """The grid as models, ``(N, k)``."""
        return region.models(self.points(region))

    def proposals(self, region: Region, *, rng: np.random.Generator) -> Proposals:
        yield self.points(region)

    def evaluations(self, region: Region) -> int:
        return len(self.points(region))
