"""All corners: where a monotone influence is worst."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from morl.errors import CapabilityError
from robust.search.base import Proposals, WorstCaseSearch, refuse_finite
from robust.uncertainty.base import Region

_MOST_DIMENSIONS = 12


@dataclass(frozen=True, kw_only=True)
class CornerSearch(WorstCaseSearch):
    """Evaluates the corners of the cube and its centre: cheap, and exact where the value is monotone in each parameter."""

    def proposals(self, region: Region, *, rng: np.random.Generator) -> Proposals:
        refuse_finite(region, "corners")
        if region.dimension > _MOST_DIMENSIONS:
            raise CapabilityError(f"{region.dimension} parameters have {2**region.dimension} corners; use search: cma_es")
        corners = np.array(list(itertools.product((0.0, 1.0), repeat=region.dimension)))
        yield np.concatenate([corners, np.full((1, region.dimension), 0.5)])

    def evaluations(self, region: Region) -> int:
        return int(2 ** min(region.dimension, _MOST_DIMENSIONS)) + 1
