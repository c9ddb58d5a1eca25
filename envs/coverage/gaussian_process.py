"""Gaussian processes on a grid, for fields to explore."""

from __future__ import annotations

import numpy as np

from envs.arrays import Floats


def matern(first: Floats, second: Floats, *, variance: float, length_scale: float) -> Floats:
    r"""Matérn kernel with smoothness 5/2.

    :math:`k(r) = \text{variance} \cdot (1 + \sqrt5 r + \frac{5}{3} r^2) \, e^{-\sqrt5 r}`, where ``r`` is the distance in
    length scales.

    Args:
        first: Points ``(n, d)``.
        second: Points ``(q, d)``.
        variance: At distance 0.
        length_scale: Unit of distance.

    Returns:
        ``(n, q)``.
    """
    squared = np.square(first[:, None] - second[None]).sum(-1) * (5.0 / length_scale**2)
    scaled = np.sqrt(squared)
    covariance: Floats = variance * (1.0 + scaled + squared / 3.0) * np.exp(-scaled)
    return covariance


def posterior(
    points: Floats, observed: Floats, outcomes: Floats, *, variance: float, length_scale: float, noise_variance: float
) -> tuple[Floats, Floats]:
    """Condition a zero-mean process on noisy observations.

    Args:
        points: Where to predict, ``(n, d)``.
        observed: Where was measured, ``(q, d)``.
        outcomes: What was measured, ``(q,)``.
        variance: Of the kernel.
        length_scale: Of the kernel.
        noise_variance: Of a measurement.

    Returns:
        Mean ``(n,)`` and covariance ``(n, n)``.
    """
    prior = matern(points, points, variance=variance, length_scale=length_scale)
    cross = matern(points, observed, variance=variance, length_scale=length_scale)
    inner = matern(observed, observed, variance=variance, length_scale=length_scale)
    inner += noise_variance * np.eye(observed.shape[0])
    solved = np.linalg.solve(inner, cross.T)
    covariance = prior - cross @ solved
    return solved.T @ outcomes, (covariance + covariance.T) / 2


def sample(mean: Floats, covariance: Floats, rng: np.random.Generator) -> Floats:
    """Draw a field.

    Args:
        mean: ``(n,)``.
        covariance: ``(n, n)``, positive semidefinite.
        rng: Source of randomness.

    Returns:
        ``(n,)``.
    """
    # A smooth kernel on a fine grid is singular to working precision.
    jitter = 1e-8 * covariance.diagonal().max() * np.eye(mean.size)
    return mean + np.linalg.cholesky(covariance + jitter) @ rng.standard_normal(mean.size)
