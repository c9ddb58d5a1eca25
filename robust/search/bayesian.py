r"""Bayesian optimisation: a Gaussian process says where a small value is likely; for few, expensive evaluations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from morl.fields import NonNegative, Range
from robust.search.base import Proposals, WorstCaseSearch, refuse_finite
from robust.uncertainty.base import Array, Region

_LENGTHS = np.geomspace(0.1, 2.0, 8)
_NOISES = np.array([1e-4, 1e-2, 1e-1])
_POOL = 512


@dataclass(frozen=True, kw_only=True)
class BayesianSearch(WorstCaseSearch):
    r"""Minimises the lower confidence bound :math:`\mu - \kappa \sigma` of a Gaussian process.

    Squared-exponential kernel with one length scale, values standardised; length scale and noise are those of highest marginal
    likelihood on a fixed list. A generation is chosen one by one, each choice standing in with its own prediction.
    """

    initial: Annotated[int, Range(ge=2, le=10_000)] = 8
    """Models of the first generation, a Sobol sequence."""
    generations: Annotated[int, Range(ge=0, le=10_000)] = 6
    """Generations after the first."""
    batch: Annotated[int, Range(ge=1, le=10_000)] = 4
    """Models per generation."""
    kappa: NonNegative = 2.0
    """Standard deviations below the mean."""

    def proposals(self, region: Region, *, rng: np.random.Generator) -> Proposals:
        from scipy.stats.qmc import Sobol

        refuse_finite(region, "bayesian")
        d = region.dimension
        sequence = Sobol(d, rng=rng)
        points = sequence.random_base2(int(np.ceil(np.log2(self.initial))))[: self.initial]
        values = yield points
        for _ in range(self.generations):
            chosen: list[Array] = []
            x, y = points, values
            for _ in range(self.batch):
                # Uniform points, and small steps away from the best one known.
                near = np.clip(points[values.argmin()] + 0.05 * rng.standard_normal((_POOL // 4, d)), 0.0, 1.0)
                pool = np.concatenate([rng.random((_POOL, d)), near])
                mean, deviation = gaussian_process(x, y, pool)
                best = int((mean - self.kappa * deviation).argmin())
                chosen.append(pool[best])
                x, y = np.concatenate([x, pool[best : best + 1]]), np.append(y, mean[best])
            generation = np.stack(chosen)
            found = yield generation
            points, values = np.concatenate([points, generation]), np.concatenate([values, found])

    def evaluations(self, region: Region) -> int:
        return self.initial + self.generations * self.batch


def gaussian_process(x: Array, y: Array, at: Array) -> tuple[Array, Array]:
    """Predict a function from some of its values.

    Args:
        x: Where it is known, ``(N, d)`` in the unit cube.
        y: Its values there, ``(N,)``.
        at: Where to predict, ``(M, d)``.

    Returns:
        Mean and standard deviation, each ``(M,)``, in the units of ``y``.

    Source:
        Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, algorithm 2.1.
    """
    from scipy.linalg import cho_solve, cholesky, solve_triangular

    centre, scale = y.mean(), y.std() or 1.0
    z = (y - centre) / scale
    squares = ((x[:, None] - x[None]) ** 2).sum(-1)
    best, fit = -np.inf, (None, None, 0.0)
    for length in _LENGTHS:
        kernel = np.exp(-0.5 * squares / length**2)
        for noise in _NOISES:
            factor = cholesky(kernel + noise * np.eye(len(x)), lower=True)
            alpha = cho_solve((factor, True), z)
            likelihood = -0.5 * z @ alpha - np.log(np.diag(factor)).sum()
            if likelihood > best:
                best, fit = likelihood, (factor, alpha, length)
    factor, alpha, length = fit
    cross = np.exp(-0.5 * ((at[:, None] - x[None]) ** 2).sum(-1) / length**2)
    reduced = solve_triangular(factor, cross.T, lower=True)
    variance = np.maximum(1.0 - (reduced**2).sum(0), 1e-12)
    mean: Array = centre + scale * (cross @ alpha)
    deviation: Array = scale * np.sqrt(variance)
    return mean, deviation
