"""Linear rows that a solver decides as exactly as arithmetic does, whatever units they are written in.

A solver satisfies rows to an absolute tolerance, and takes 0.999999 for 1: of costs in millions it lets through a plan that
costs a few more than there are, and of costs in millionths nearly all. So what is in a set is decided in integers:

* Numbers of a row without continuous variables are read as the decimals that they are printed as, multiplied with a power of
  ten and divided by their common divisor. Where that takes more than 53 bits, they are rounded to 53 bits of their sum, and
  the sides give way by what that, and adding up a side in floating point, can amount to.
* Integers above :data:`LARGEST` are written in digits, one row for each, with integer variables for what is carried. Numbers
  are then so small that no tolerance lets anything through, and the linear relaxation is what it was.
* Rows with continuous variables are brought to entries near 1, by powers of two.

Rows that need nothing of this stay as they are.
"""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from envs.arrays import Flags, Floats, Integers

Array = npt.NDArray[Any]

LARGEST = 1 << 12
"""Largest entry of an integer row that is left as it is, and the base of the digits of others."""
_BITS = 53  # integers of that many bits, and sums that stay below, are exact in floating point
_MOST_GIVEN = Fraction(1, 10)  # by which a side of a decimal row may give way, in units of its last digit
_SPAN = 2.0**10  # how far from 1 the largest entry of a row or column may be
_FAR = 10**300  # stands for infinity


class Whole(NamedTuple):
    """A row of integers, ``lower <= entries @ x <= upper``."""

    entries: Integers
    """``(n,)``; their sizes add up to at most ``2**53``."""
    lower: float
    """An integer, or ``-inf``."""
    upper: float
    """An integer, or ``inf``."""


def whole(entries: Floats, lower: float, upper: float, low: Floats | None = None, high: Floats | None = None) -> Whole:
    """Write a row of integer variables in integers.

    Args:
        entries: Finite, ``(n,)``.
        lower: ``-inf`` for none.
        upper: ``inf`` for none.
        low: Least values of the variables, ``(n,)``; zeros if None.
        high: Greatest values, ``(n,)``; ones if None.
    """
    low, high = np.zeros(entries.size) if low is None else low, np.ones(entries.size) if high is None else high
    unit, numbers, is_decimal = _in_units(entries.tolist())
    # What rounding the entries, adding them up, and rounding the side can come to.
    largest = np.maximum(np.maximum(np.abs(low), np.abs(high)), 1.0)
    sizes = [
        abs(number) * math.ceil(size) if math.isfinite(size) else abs(number)
        for number, size in zip(numbers, largest.tolist(), strict=True)
    ]
    give = (2 * int(np.count_nonzero(entries)) + 8) * Fraction(2) ** (1 - _BITS) * sum(sizes)
    if is_decimal:
        give = min(give, _MOST_GIVEN)
    divisor = math.gcd(*numbers) or 1
    found = np.array([number // divisor for number in numbers], np.int64)
    least, most = _reach(found, low, high)

    def side(given: float, sign: int, farthest: int) -> float:
        if not math.isfinite(given):
            return float(given)
        # The next integer inside says the same to integers; a side beyond their reach nothing at all.
        inside = math.floor((sign * _decimal(given) / unit + give) / divisor)
        return sign * (math.inf if inside >= farthest else float(max(inside, -_FAR)))

    return Whole(found, side(lower, -1, -least), side(upper, 1, most))


def _in_units(entries: list[float]) -> tuple[Fraction, list[int], bool]:
    """A unit, the entries as multiples of it, and whether they are so exactly, as decimals."""
    if all(number.is_integer() for number in entries) and math.fsum(map(abs, entries)) <= 2.0**_BITS:
        return Fraction(1), [int(number) for number in entries], True
    decimals = [Decimal(repr(number)).normalize() for number in entries if number]
    exponent = min(int(number.as_tuple().exponent) for number in decimals)
    if max(number.adjusted() for number in decimals) - exponent < _BITS // 3:
        numbers = [int(Decimal(repr(number)).scaleb(-exponent)) for number in entries]
        if sum(map(abs, numbers)) <= 2**_BITS:
            return Fraction(10) ** exponent, numbers, True
    power = math.frexp(max(map(abs, entries)))[1] + len(decimals).bit_length() - _BITS
    return Fraction(2) ** power, [round(math.ldexp(number, -power)) for number in entries], False


def _decimal(number: float) -> Fraction:
    return Fraction(repr(float(number)))


def _reach(numbers: Integers, low: Floats, high: Floats) -> tuple[int, int]:
    """Least and largest value of ``numbers @ x`` for integers ``x`` within bounds."""
    least = most = 0
    for number, lowest, highest in zip(numbers.tolist(), low.tolist(), high.tolist(), strict=True):
        ends = (number * _end(lowest, math.ceil), number * _end(highest, math.floor))
        least, most = least + min(ends), most + max(ends)
    return max(least, -_FAR), min(most, _FAR)


def _end(bound: float, inward: Any) -> int:
    return int(inward(bound)) if math.isfinite(bound) else int(math.copysign(_FAR, bound))


class Rows(NamedTuple):
    """Rows and bounds of columns, as arrays."""

    row: Integers
    """Row of each entry, ``(e,)``."""
    column: Integers
    """Column of each entry, ``(e,)``."""
    value: Floats
    """Each entry, ``(e,)``."""
    lower: Floats
    """Lower sides, ``(r,)``."""
    upper: Floats
    """Upper sides, ``(r,)``."""
    low: Floats
    """Lower bounds of the columns, ``(c,)``."""
    high: Floats
    """Upper bounds of the columns, ``(c,)``."""
    integer: Flags
    """Which columns are integers, ``(c,)``."""


def sharpened(rows: Rows) -> Rows:
    """Write rows so that a solver decides them exactly; see the top of this file.

    Returns:
        Rows that the same values of the integer columns satisfy, with further integer columns at the end, and continuous
        columns in other units; the same object where nothing is to be done.
    """
    mixed = np.zeros(rows.lower.size, np.bool_)
    mixed[rows.row[~rows.integer[rows.column]]] = True
    rough = np.zeros(rows.lower.size, np.bool_)
    rough[rows.row[(rows.value != np.rint(rows.value)) | (np.abs(rows.value) > LARGEST)]] = True
    for side in (rows.lower, rows.upper):
        rough |= np.isfinite(side) & (side != np.rint(side))
    if mixed.any():
        rows = _balanced(rows, mixed)
    return _in_digits(rows, np.flatnonzero(rough & ~mixed)) if (rough & ~mixed).any() else rows


def _balanced(rows: Rows, mixed: Flags) -> Rows:
    """Bring the largest entry of each of some rows, and of each continuous column, near 1; of all of them or none."""
    of = mixed[rows.row] & (rows.value != 0)
    row, column, size = rows.row[of], rows.column[of], np.abs(rows.value[of])
    free = ~rows.integer
    by_row, by_column = np.ones(rows.lower.size), np.ones(rows.low.size)
    if all(
        ((largest == 0) | ((largest >= 1 / _SPAN) & (largest <= _SPAN))).all()
        for largest in (_largest(row, size, by_row.size), _largest(column, size, by_column.size)[free])
    ):
        return rows
    # Integers have units of their own; they give the rows theirs, rows the columns, and so on.
    known, done = rows.integer.copy(), ~mixed
    while not (known.all() and done.all()):
        seen = _largest(row[known[column]], (size * by_column[column])[known[column]], by_row.size)
        if not (fresh := ~done & (seen > 0)).any():
            seen = _largest(row, size * by_column[column], by_row.size)
            fresh = ~done
        by_row[fresh] = 1.0 / _power(seen[fresh])
        done |= fresh
        seen = _largest(column[done[row]], (size * by_row[row])[done[row]], by_column.size)
        fresh = ~known & ((seen > 0) | done.all())
        by_column[fresh] = 1.0 / _power(seen[fresh])
        known |= fresh
    by_row = np.where(mixed, 1.0 / _power(_largest(row, size * by_column[column], by_row.size)), 1.0)
    return rows._replace(
        value=rows.value * by_row[rows.row] * by_column[rows.column],
        lower=rows.lower * by_row,
        upper=rows.upper * by_row,
        low=rows.low / by_column,
        high=rows.high / by_column,
    )


def _largest(place: Integers, sizes: Floats, count: int) -> Floats:
    largest = np.zeros(count)
    np.maximum.at(largest, place, sizes)
    return largest


def _power(sizes: Floats) -> Floats:
    """Nearest powers of two, 1 for 0."""
    power: Floats = np.ldexp(1.0, np.frexp(np.where(sizes > 0, sizes, 1.0))[1] - 1)
    return power


def _in_digits(rows: Rows, rough: Integers) -> Rows:
    """Write some rows of integer columns in integers, and large ones in digits."""
    written = _Digits(rows)
    for number in rough.tolist():
        here = rows.row == number
        columns = rows.column[here]
        found = whole(rows.value[here], rows.lower[number], rows.upper[number], rows.low[columns], rows.high[columns])
        if np.abs(found.entries).max(initial=0) <= LARGEST:
            written.row(columns, found.entries, found.lower, found.upper, number)
        elif found.lower == found.upper:
            written.chain(columns, found.entries, int(found.upper), number, is_equal=True)
        else:
            place: int | None = number
            for sign, side in ((1, found.upper), (-1, -found.lower)):
                if math.isfinite(side):
                    written.chain(columns, sign * found.entries, int(side), place, is_equal=False)
                    place = None
            if place is not None:
                written.row(columns[:0], found.entries[:0], -math.inf, math.inf, place)
    return written.build(rough)


class _Digits:
    """Collects rows in place of others, rows at the end, and columns."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._entries: list[tuple[Integers, Integers, Integers]] = []
        self._lower, self._upper = rows.lower.tolist(), rows.upper.tolist()
        self._low, self._high = rows.low.tolist(), rows.high.tolist()

    def row(self, columns: Integers, values: Integers, lower: float, upper: float, place: int | None = None) -> None:
        """Write a row; a new one at the end if no place is given."""
        if place is None:
            place = len(self._lower)
            self._lower.append(lower)
            self._upper.append(upper)
        else:
            self._lower[place], self._upper[place] = lower, upper
        used = np.flatnonzero(values)
        self._entries.append((np.full(used.size, place), columns[used], values[used]))

    def chain(self, columns: Integers, numbers: Integers, side: int, place: int | None, *, is_equal: bool) -> None:
        """Write ``numbers @ x <= side``, or ``==``: what a digit has above its part of the side is carried to the next one."""
        half = LARGEST // 2
        while np.abs(numbers).max() > LARGEST:
            digits = (numbers + half) % LARGEST - half
            digit = (side + half) % LARGEST - half
            least, most = _reach(digits, np.array(self._low)[columns], np.array(self._high)[columns])
            carried = len(self._low)
            self._low.append(float((least - digit) // LARGEST))
            self._high.append(float(-((digit - most) // LARGEST)))
            self.row(np.append(columns, carried), np.append(digits, -LARGEST), digit if is_equal else -math.inf, digit)
            columns, numbers = np.append(columns, carried), np.append((numbers - digits) // LARGEST, 1)
            side = (side - digit) // LARGEST
        self.row(columns, numbers, side if is_equal else -math.inf, side, place)

    def build(self, replaced: Integers) -> Rows:
        """Everything, without what the replaced rows held."""
        kept = ~np.isin(self._rows.row, replaced)
        row, column, value = (
            np.concatenate([given[kept], *(part[k] for part in self._entries)])
            for k, given in enumerate((self._rows.row, self._rows.column, self._rows.value))
        )
        added = np.ones(len(self._low) - self._rows.integer.size, np.bool_)
        return Rows(
            row, column, value.astype(np.float64), np.array(self._lower), np.array(self._upper),
            np.array(self._low), np.array(self._high), np.concatenate([self._rows.integer, added]),
        )  # fmt: skip
