"""Weights as set functions keep them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def weights_of(values: npt.ArrayLike, name: str, *, ndim: int = 1) -> Tensor:
    """Check weights and round them to float32, kept as float64.

    Sums of such numbers do not round in float64 (up to very unequal magnitudes), so they are the same in any order: a
    trajectory's gains do not depend on the batch it was in.

    Args:
        values: Nonnegative and finite.
        name: What they are called in error messages.
        ndim: Number of axes expected.

    Returns:
        float64 tensor.

    Raises:
        ValueError: The number of axes is wrong, or a weight is negative or not finite.
    """
    array = np.asarray(values, np.float64)
    if array.ndim != ndim:
        raise ValueError(f"{name} has {array.ndim} axes; expected {ndim}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite")
    if array.size and array.min() < 0:
        raise ValueError(f"{name} contains {array.min():g}; expected nonnegative numbers, or the function is not monotone")
    return torch.from_numpy(array.astype(np.float32).astype(np.float64))
