"""Feasibility that depends only on how many components of each type are one, remembered by these counts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from envs.arrays import Flags, Floats, Integers

Counts = Integers

_BLOCK = 1 << 20  # sums that are held at once


class CountMemo:
    """Remembers exact answers, so that a batch costs one look-up and only what was never asked is worked out."""

    def __init__(self, decide: Callable[[Counts], bool]) -> None:
        """Begin without answers.

        Args:
            decide: Tells whether counts ``(t,)`` are feasible.
        """
        self._decide = decide
        self._keys: npt.NDArray[np.bytes_] | None = None
        self._answers = np.zeros(0, np.bool_)

    def __call__(self, counts: Counts) -> Flags:
        """Which counts ``(B, t)`` are feasible, ``(B,)``."""
        width = 4 * counts.shape[1]
        # As byte strings of one length, counts can be sorted and searched whatever their range.
        keys = np.ascontiguousarray(counts, np.uint32).view(f"S{width}")[:, 0]
        if self._keys is None:
            self._keys = np.zeros(0, keys.dtype)
        place, known = self._find(keys)
        if not known.all():
            unseen, where = np.unique(keys[~known], return_index=True)
            answers = np.array([self._decide(row) for row in counts[~known][where]], np.bool_)
            order = np.argsort(np.concatenate([self._keys, unseen]))
            self._keys = np.concatenate([self._keys, unseen])[order]
            self._answers = np.concatenate([self._answers, answers])[order]
            place, _ = self._find(keys)
        return self._answers[place]

    def _find(self, keys: npt.NDArray[np.bytes_]) -> tuple[Integers, Flags]:
        assert self._keys is not None
        if not self._keys.size:
            return np.zeros(keys.size, np.int64), np.zeros(keys.size, np.bool_)
        place = np.minimum(np.searchsorted(self._keys, keys), self._keys.size - 1)
        return place, self._keys[place] == keys


def indicator(types: Integers, num_types: int) -> npt.NDArray[np.float32]:
    """Matrix ``(N, t)`` that counts: ``actions @ indicator`` is exact in single precision, which has a fast product."""
    return np.eye(num_types, dtype=np.float32)[types]


def best_by_counts(coefficients: Floats, types: Integers, largest: Counts) -> Flags:
    """Maximise linear functions over actions that have at most some of the given counts of ones of each type.

    For given counts, the best components of each type are taken, as far as they are worth having: a sum of one look-up per
    type.

    Args:
        coefficients: ``(B, N)``.
        types: Type of each component, ``(N,)``, all of 0 to ``t - 1``.
        largest: ``(M, t)``, none above the number of components of its type.

    Returns:
        ``(B, N)``.
    """
    sizes = np.bincount(types)
    ends = np.cumsum(sizes)
    # Type by type, and by falling coefficients within each.
    falling = np.argsort(-coefficients, axis=1, kind="stable")
    order = np.take_along_axis(falling, np.argsort(types[falling], axis=1, kind="stable"), axis=1)
    worth = np.take_along_axis(np.maximum(coefficients, 0.0), order, axis=1)
    rank = np.arange(types.size) - np.repeat(ends - sizes, sizes)
    # One list of sums per type, each from none to all of its components, one behind the other.
    sums = np.zeros((len(coefficients), types.size + sizes.size))
    for end, size, begin in zip(ends, sizes, ends - sizes + np.arange(sizes.size), strict=True):
        np.cumsum(worth[:, end - size : end], axis=1, out=sums[:, begin + 1 : begin + size + 1])
    place = largest + (ends - sizes + np.arange(sizes.size))
    actions = np.zeros(coefficients.shape, np.bool_)
    for start in range(0, len(coefficients), block := max(1, _BLOCK // len(largest))):
        some = slice(start, start + block)
        value = np.zeros((len(sums[some]), len(largest)))
        for column in place.T:
            value += sums[some].take(column, axis=1)
        counts = largest[value.argmax(axis=1)]
        chosen = (rank < np.repeat(counts, sizes, axis=1)) & (worth[some] > 0.0)
        np.put_along_axis(actions[some], order[some], chosen, axis=1)
    return actions
