"""Independent uniform points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from morl.fields import Repeats
from robust.search.base import Proposals, WorstCaseSearch
from robust.uncertainty.base import Region


@dataclass(frozen=True, kw_only=True)
class RandomSearch(WorstCaseSearch):
    """Evaluates models drawn uniformly from the cube."""

    num_candidates: Repeats = 64
    """Models to draw."""

    def proposals(self, region: Region, *, rng: np.random.Generator) -> Proposals:
        yield rng.random((self.num_candidates, region.dimension))

    def evaluations(self, region: Region) -> int:
        return self.num_candidates
