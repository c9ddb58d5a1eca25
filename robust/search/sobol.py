"""A scrambled Sobol sequence: points that leave no large hole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from morl.fields import Range
from robust.search.base import Proposals, WorstCaseSearch, refuse_finite
from robust.uncertainty.base import Region


@dataclass(frozen=True, kw_only=True)
class SobolSearch(WorstCaseSearch):
    """Evaluates a scrambled Sobol sequence (scipy's)."""

    log2_candidates: Annotated[int, Range(ge=0, le=20)] = 6
    """The number of models is 2 to this power, where the sequence is balanced."""

    def proposals(self, region: Region, *, rng: np.random.Generator) -> Proposals:
        from scipy.stats.qmc import Sobol

        refuse_finite(region, "sobol")
        yield np.asarray(Sobol(region.dimension, rng=rng).random_base2(self.log2_candidates), dtype=np.float64)

    def evaluations(self, region: Region) -> int:
        return 1 << self.log2_candidates
