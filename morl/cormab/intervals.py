"""Intervals for means over a few instances."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from morl.errors import ShapeError

Array = npt.NDArray[np.float64]


def bootstrap_interval(values: Array, rng: np.random.Generator, *, level: float = 0.95, resamples: int = 10_000) -> Array:
    """Percentile bootstrap interval of a mean.

    Of paired samples, give the differences: what both have in common then cancels.

    Args:
        values: ``(..., n)``; the last axis is drawn from with replacement, with the same draws for all others.
        rng: Where the draws come from.
        level: Coverage, between 0 and 1.
        resamples: Number of resampled means.

    Returns:
        Lower and upper ends, ``(2, ...)``; NaN for a single value, which says nothing about its own precision.

    Raises:
        ShapeError: There are no values.
    """
    size = values.shape[-1]
    if not size:
        raise ShapeError("there are no values; expected at least one along the last axis")
    if size == 1:
        return np.full((2, *values.shape[:-1]), np.nan)
    tail = (1.0 - level) / 2.0
    # How often each value is drawn.
    draws = rng.multinomial(size, np.full(size, 1.0 / size), size=resamples) / size
    return np.asarray(np.quantile(values @ draws.T, [tail, 1.0 - tail], axis=-1))
