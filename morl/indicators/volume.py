"""Volume of a union of boxes with a common corner, where exact algorithms would take too long."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from morl.seeding import stream

Array = npt.NDArray[np.float64]

_MOST_COLUMNS = 31  # of moocore's exact algorithm
_UNION = {4: 20_000, 5: 5_000, 6: 400, 7: 150, 8: 70, 9: 45, 10: 35, 11: 28, 12: 22, 13: 18}
"""By dimension, most boxes whose exact volume takes less than about a second: the time grows exponentially. Above, 16."""
_CONTRIBUTIONS = {4: 800, 5: 200, 6: 80, 7: 40, 8: 28, 9: 20, 10: 16, 11: 14, 12: 13}
"""The same for what each box adds. Above, 10."""
_SUBSETS = 1 << 22  # numbers that inclusion and exclusion may take
_MOST_SUBSETS = 16
_WORK = 1 << 27  # comparisons of an estimate
_LEAST, _MOST = 1_000, 20_000  # samples
_ROOM = 1 << 23  # entries of the table of who holds which sample
_FEWEST, _ENOUGH = 16, 2_048  # samples of each box, for what it adds


class Volume(NamedTuple):
    """A volume, and how well it is known."""

    value: float
    """Product of the objectives' units."""
    standard_error: float
    """Of an estimate; 0 if the value is exact."""


def union_is_quick(number: int, m: int) -> bool:
    """Whether moocore's exact volume of ``number`` boxes of ``m`` dimensions takes no more than about a second."""
    return m <= 3 or (m <= _MOST_COLUMNS and number <= _UNION.get(m, 10))


def contributions_are_quick(number: int, m: int) -> bool:
    """The same for what each of the boxes adds."""
    return m <= 3 or (m <= _MOST_COLUMNS and number <= _CONTRIBUTIONS.get(m, 10))


def union(boxes: Array) -> Volume:
    r"""Volume of the union of boxes :math:`[0, u_i]`.

    Estimates draw a box in proportion to its volume and a point in it; the point counts as one over the number of boxes that
    hold it. Their relative standard error is at most :math:`\sqrt{n / N}` with ``N`` samples, whatever the dimension. They are
    the same whenever they are repeated.

    Args:
        boxes: Extents ``u``, positive, none inside another, ``(n >= 1, m)``.

    Source:
        Karp, Luby, Madras 1989; Bringmann and Friedrich 2010 (boxes). Exact: Fonseca et al. 2006 and While et al. 2012 by
        moocore, or inclusion and exclusion for few boxes.
    """
    number, m = boxes.shape
    if number == 1:
        return Volume(_scaled(1.0, np.log(boxes).sum()), 0.0)
    if number <= _MOST_SUBSETS and m << number <= _SUBSETS:
        return Volume(_inclusion_exclusion(boxes), 0.0)
    sizes = np.log(boxes).sum(1)
    largest = sizes.max()
    volumes = np.exp(sizes - largest)
    total = volumes.sum()
    samples = int(np.clip(_WORK // (2 * boxes.size), _LEAST, _MOST))
    rng = stream(0, "hypervolume")
    chosen = rng.choice(number, samples, p=volumes / total)
    shares = 1.0 / _holding(rng.random((samples, m)) * boxes[chosen], boxes)
    error = shares.std(ddof=1) / samples**0.5
    return Volume(_scaled(total * shares.mean(), largest), _scaled(total * error, largest))


def thinned(boxes: Array, kept: int) -> npt.NDArray[np.bool_]:
    """Drop the box that adds least to the union, by samples of each box, the last of equals, until ``kept`` are left.

    Args:
        boxes: Extents, positive or not: who has none adds nothing, ``(n, m)``.
        kept: How many stay, at most ``n``.

    Returns:
        Mask ``(n,)``.
    """
    number = len(boxes)
    samples = int(np.clip(min(_ROOM, _WORK // boxes.shape[1]) // number**2, _FEWEST, _ENOUGH))
    # A generator for each column, so that the samples are never there as a whole.
    held = np.ones((number * samples, number), np.bool_)
    for column, ends in enumerate(boxes.T):
        places = stream(0, "thinning", column).random((number, samples)) * ends[:, None]
        held &= places.reshape(-1, 1) <= ends
    counts = held.sum(1).reshape(number, samples)
    with np.errstate(divide="ignore", invalid="ignore"):
        sizes = np.log(boxes).sum(1)
    sizes = np.where((boxes > 0).all(1), sizes, -np.inf)
    volumes = np.exp(sizes - max(sizes.max(), -np.finfo(np.float64).max))
    stays = np.ones(number, np.bool_)
    for _ in range(number - kept):
        adds = np.where(stays, volumes * (counts == 1).mean(1), np.inf)
        last = number - 1 - int(adds[::-1].argmin())
        stays[last] = False
        counts -= held[:, last].reshape(number, samples)
    return stays


def _holding(points: Array, boxes: Array) -> npt.NDArray[np.int64]:
    """How many boxes hold each point, ``(N,)``."""
    found = np.empty(len(points), np.int64)
    block = max(1, _SUBSETS // len(boxes))
    for start in range(0, len(points), block):
        some = points[start : start + block]
        inside = np.ones((len(some), len(boxes)), np.bool_)
        for column, ends in zip(some.T, boxes.T, strict=True):
            inside &= column[:, None] <= ends
        found[start : start + block] = inside.sum(1)
    return found


def _inclusion_exclusion(boxes: Array) -> float:
    """Volume of few boxes: the boxes, less their intersections in pairs, and so on."""
    scale = boxes.max(0)
    corners, signs = np.empty((0, boxes.shape[1])), np.empty(0)
    for box in boxes / scale:
        corners = np.concatenate([corners, box[None], np.minimum(corners, box)])
        signs = np.concatenate([signs, [1.0], -signs])
    return _scaled(float(signs @ corners.prod(1)), np.log(scale).sum())


def _scaled(share: float, logarithm: float) -> float:
    """``share * exp(logarithm)``, infinite where that is too large for a number."""
    with np.errstate(over="ignore"):
        return float(share * np.exp(logarithm))
