"""Distributions that users hand in: accepted as well as their number format can hold them, refused with the place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from envs.arrays import Floats, Integers, read_array

_EXACT = 1e-12  # rows that sum to one this well stay as they are, bit by bit


def read_distributions(name: str, values: Any, axes: Sequence[str], *, tolerance: float = 1e-8) -> Floats:
    r"""Read distributions along the last axis.

    Rounding is forgiven, to the precision of the number format: rows may miss one by ``tolerance`` in float64, and in coarser
    formats (or if all values are those of float32) by :math:`4 \epsilon (1 + \sqrt n)` with the format's :math:`\epsilon` and
    ``n`` outcomes; entries may be negative by as little, at most 1e-12 in float64. Negative entries become 0, and rows that
    miss one by more than 1e-12 are divided by their sum.

    Args:
        name: What they are called in error messages.
        values: ``(..., n)``.
        axes: What the axes are called, such as ``("state", "action", "next state")``.
        tolerance: Largest error of a row of float64 numbers.

    Returns:
        A copy, float64.

    Raises:
        ValueError: A row is not a distribution; says which, and by how much.
    """
    given = read_array(name, values, "probabilities")
    array = np.array(given, np.float64)
    if not array.size:
        return array
    if not np.isfinite(array).all():
        where = _where(axes, np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name} contains NaN or infinity ({where}), which is not finite; expected probabilities")
    slack = _slack(given.dtype, array.shape[-1])
    totals = array.sum(axis=-1)
    if array.min() < -slack or np.abs(totals - 1.0).max() > max(tolerance, slack):
        # Numbers that went through float32 are no better for being stored as float64.
        with np.errstate(over="ignore"):
            is_single = bool((array == array.astype(np.float32)).all())
        slack = max(slack, _slack(np.dtype(np.float32), array.shape[-1])) if is_single else slack
        _refuse(name, array, totals, axes, slack, max(tolerance, slack))
    if array.min() < 0.0:
        np.maximum(array, 0.0, out=array)
        totals = array.sum(axis=-1)
    rough = np.abs(totals - 1.0) > _EXACT
    if rough.any():
        array[rough] /= totals[rough][..., None]
    return array


def _slack(dtype: np.dtype[Any], size: int) -> float:
    """By how much rounding in a number format can make distributions of some size miss."""
    if dtype.kind != "f" or dtype.itemsize >= 8:
        return _EXACT
    slack: float = float(np.finfo(dtype).eps) * 4.0 * (1.0 + size**0.5)
    return slack


def _refuse(name: str, array: Floats, totals: Floats, axes: Sequence[str], slack: float, tolerance: float) -> None:
    """Raise an error if an entry is negative or a row does not sum to one."""
    negative = array < -slack
    if negative.any():
        place = np.argwhere(negative)[0]
        raise ValueError(
            f"{name}[{_index(place)}] is {array[negative][0]:.6g} ({_where(axes, place)}); expected a probability, not a "
            "negative number; probabilities are nonnegative and sum to one"
        )
    off = totals - 1.0
    wrong = np.abs(off) > tolerance
    if wrong.any():
        place = np.argwhere(wrong)[0]
        found = f"{name}[{_index(place)}]" if place.size else name
        where = f"{_where(axes, place)}: " if place.size else ""
        others = f", and {wrong.sum() - 1} other rows are off as well" if wrong.sum() > 1 else ""
        raise ValueError(
            f"{found} sums to {totals[wrong][0]:.10g} instead of 1 ({where}off by {off[wrong][0]:.3g}{others}); "
            f"rows must sum to one: add the missing outcome, or divide {name} by {name}.sum(-1, keepdims=True)"
        )


def _index(place: Integers) -> str:
    return ", ".join(map(str, place.tolist()))


def _where(axes: Sequence[str], place: Integers) -> str:
    return ", ".join(f"{axis} {number}" for axis, number in zip(axes, place.tolist(), strict=False))
