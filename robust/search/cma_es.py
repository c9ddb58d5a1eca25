"""Covariance matrix adaptation: the search of the IWOCS paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from morl.fields import Positive, Range, Repeats, Share
from robust.search.base import Proposals, WorstCaseSearch, refuse_finite
from robust.uncertainty.base import Array, Region


@dataclass(frozen=True, kw_only=True)
class CMAESSearch(WorstCaseSearch):
    """CMA-ES (the package ``cma``) on the cube, from its middle; candidates outside are reflected by the package.

    The defaults are those of the IWOCS paper (its table 5): 600 evaluations.
    """

    generations: Repeats = 6
    """Generations."""
    population: Annotated[int, Range(ge=2, le=1_000_000)] = 100
    """Candidates per generation, at least 2."""
    mean: Share = 0.5
    """Start of the mean, along every axis of the cube."""
    sigma: Positive = 0.5
    """Initial step size, in the cube."""

    def proposals(self, region: Region, *, rng: np.random.Generator) -> Proposals:
        import cma

        refuse_finite(region, "cma_es")
        # The package adapts two axes or more; a second one that means nothing does no harm.
        axes = max(2, region.dimension)
        options = {
            "popsize": self.population,
            "bounds": [0.0, 1.0],
            "verbose": -9,
            # Random numbers come from the given generator; nan keeps the package from seeding numpy's global one.
            "seed": np.nan,
            "randn": lambda *shape: rng.standard_normal(shape),
            "maxiter": self.generations,
        }
        strategy = cma.CMAEvolutionStrategy([self.mean] * axes, self.sigma, options)
        for _ in range(self.generations):
            asked: list[Array] = strategy.ask()
            points = np.clip(np.stack(asked), 0.0, 1.0)[:, : region.dimension]
            strategy.tell(asked, (yield points).tolist())

    def evaluations(self, region: Region) -> int:
        return self.generations * self.population
