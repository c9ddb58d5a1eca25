"""Numbers as set functions keep them: float64, checked once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from envs.arrays import Flags, Floats, is_sparse, read_floats

_LARGEST = 1 << 28  # entries of a sparse matrix that is made dense: 2 GiB


def weights_of(values: npt.ArrayLike, name: str, *, ndim: int = 1) -> Tensor:
    """Check weights.

    Args:
        values: Nonnegative and finite; a matrix may be sparse.
        name: What they are called in error messages.
        ndim: Number of axes expected.

    Returns:
        float64 tensor, a copy.

    Raises:
        ValueError: The number of axes is wrong, or a weight is negative or not finite, or they add up to infinity.
    """
    array = floats_of(values, name)
    if array.ndim != ndim:
        raise ValueError(f"{name} has {array.ndim} axes; expected {ndim}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, but {_first(name, array, ~np.isfinite(array))}")
    if array.size and array.min() < 0:
        raise ValueError(
            f"{name} contains {array.min():g} ({_first(name, array, array < 0)}); expected nonnegative numbers, or the "
            "function is not monotone"
        )
    with np.errstate(over="ignore"):
        if not np.isfinite(array.sum()):
            raise ValueError(f"{name} add up to infinity; choose larger units")
    return torch.from_numpy(array)


def floats_of(values: Any, name: str) -> Floats:
    """Read numbers, also of a sparse matrix: the functions keep them dense.

    Raises:
        ValueError: They are no numbers, or a sparse matrix is too large.
    """
    if is_sparse(values):
        size = int(np.prod(values.shape, dtype=np.int64))
        if size > _LARGEST:
            raise ValueError(
                f"{name} is a sparse matrix of shape {values.shape}: dense, as it is kept, it would need "
                f"{size * 8 / 2**30:.1f} GiB; leave out rows and columns that do not count"
            )
        values = values.toarray()
    return read_floats(name, values)


def positive(value: Any, name: str, why: str) -> float:
    """Check a positive finite number.

    Args:
        value: The number.
        name: What it is called in error messages.
        why: What would go wrong without it.

    Raises:
        ValueError: It is none.
    """
    number = read_floats(name, value, "a number")
    if number.ndim or not 0 < number < np.inf:
        raise ValueError(f"{name} is {value}; expected a positive finite number: {why}")
    return float(number)


def _first(name: str, array: Floats, wrong: Flags) -> str:
    place = ", ".join(map(str, np.argwhere(wrong)[0].tolist()))
    return f"{name}[{place}] is {array[wrong][0]:g}"
