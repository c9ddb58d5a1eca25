"""What users hand in as arrays: read once, and refused in words where it cannot be read."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
"""Numbers in double precision."""
Integers: TypeAlias = npt.NDArray[np.int64]
"""Whole numbers."""
Flags: TypeAlias = npt.NDArray[np.bool_]
"""Truth values."""

_NUMBERS = "biuf"  # kinds of dtype


def is_sparse(values: Any) -> bool:
    """Whether something is a scipy sparse matrix or array; asks without importing scipy."""
    return hasattr(values, "tocsr") and hasattr(values, "nnz")


def read_array(name: str, values: Any, expected: str = "an array of numbers") -> npt.NDArray[Any]:
    """Read nested sequences, arrays or tensors of numbers, in the number format they come in.

    Args:
        name: What they are called in error messages.
        values: Anything numpy can read; a tensor may need gradients or lie on another device.
        expected: What is expected, for error messages.

    Raises:
        ValueError: It is sparse or ragged, or holds something else than numbers.
    """
    if is_sparse(values):
        raise ValueError(f"{name} is a sparse matrix of shape {values.shape}; expected {expected}: {name}.toarray() makes one")
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{name} cannot be read as an array; expected {expected}, with rows of the same length") from None
    if array.dtype.kind not in _NUMBERS:
        raise ValueError(f"{name} holds {_kind(array)}; expected {expected}")
    return array


def read_floats(name: str, values: Any, expected: str = "an array of numbers") -> Floats:
    """Read numbers as float64, a copy; see :func:`read_array`."""
    return np.array(read_array(name, values, expected), np.float64)


def read_whole(name: str, values: Any, expected: str = "whole numbers") -> Integers:
    """Read whole numbers as int64; also where they are written as floats, such as ``2.0``. See :func:`read_array`.

    Raises:
        ValueError: One is not whole, or they are truth values; says which.
    """
    array = read_array(name, values, expected)
    if array.dtype.kind == "b":
        raise ValueError(f"{name} holds truth values; expected {expected}: np.flatnonzero turns a mask into numbers")
    if array.dtype.kind == "f":
        # NaN and infinity are not whole either.
        wrong = ~(np.abs(array) < 2.0**63) | (array != np.rint(array))
        if wrong.any():
            place = ", ".join(map(str, np.argwhere(wrong)[0].tolist()))
            raise ValueError(f"{name}[{place}] is {array[wrong][0]:.10g}; expected {expected}: fractions are not cut off")
    return array.astype(np.int64)


def _kind(array: npt.NDArray[Any]) -> str:
    if array.dtype.kind in "US":
        return "text"
    if array.dtype.kind == "c":
        return "complex numbers"
    some = array.ravel()[:1].tolist()
    return f"objects such as {type(some[0]).__name__}" if some else "nothing"
