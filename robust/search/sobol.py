"""A scrambled Sobol sequence: points that leave no large hole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from morl.errors import ConfigurationError
from robust.search.base import Proposals, WorstCaseSearch, refuse_finite
from robust.uncertainty.base import Region


@dataclass(frozen=True, kw_only=True)
class SobolSearch(WorstCaseSearch):
    """Evaluates a scrambled Sobol sequence (scipy's)."""

    log2_candidates: int = 6
    """The number of models is 2 to this power, where the sequence is balanced."""

    def __post_init__(self) -> None:
        if not 0 <= self.log2_candidates <= 20:
            raise ConfigurationError(f"SobolSearch.log2_candidates must be from 0 to 20, found {self.log2_candidates}")

    def proposals(self, region: Region, *, rng: np.random.Generator) -> Proposals:
        """See :meth:`WorstCaseSearch.proposals`."""
        from scipy.stats.qmc import Sobol

        refuse_finite(region, "sobol")
        yield np.asarray(Sobol(region.dimension, rng=rng).random_base2(self.log2_candidates), dtype=np.float64)

    def evaluations(self, region: Region) -> int:
        """See :meth:`WorstCaseSearch.evaluations`."""
        return 1 << self.log2_candidates
