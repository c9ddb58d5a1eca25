"""Arms with costs, visited by workers with capacities: a multiple knapsack."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from envs.arrays import Flags, Floats, Integers
from envs.cormab.constraints.base import Actions, DownwardClosed, integers
from envs.cormab.constraints.counts import CountMemo, Counts, best_by_counts, indicator
from envs.cormab.constraints.rows import LinearRows, RowBuilder

_LARGEST_TABLE = 1 << 24
_MOST_PATTERNS = 1000


@dataclass(frozen=True, eq=False)
class Capacity(DownwardClosed):
    """The arms that are pulled must be shared out to workers, none of whom is given more than their capacity.

    Feasibility depends only on how many arms of each cost are pulled. Which counts are feasible is worked out once, as a table.
    The form for integer programs chooses, for each capacity, how many workers follow each of the maximal combinations of
    costs ("patterns"): a few dozen integers whatever the number of arms and workers, and no symmetric workers.
    """

    costs: Integers
    """Cost of each arm, ``(J,)``, positive integers."""
    capacities: Integers
    """Capacity of each worker, ``(W,)``, nonnegative integers in the unit of the costs."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "costs", integers("costs", self.costs, (None,), least=1))
        object.__setattr__(self, "capacities", integers("capacities", self.capacities, (None,), least=0))
        if not self.costs.size:
            raise ValueError("costs is empty; expected at least one arm")

    @property
    def num_actions(self) -> int:
        """Number of arms, ``J``."""
        return int(self.costs.size)

    def rows(self) -> LinearRows:
        """Patterns, or, where there are too many of them, numbers of arms of each cost for each worker."""
        return self._rows

    @cached_property
    def _rows(self) -> LinearRows:
        builder = RowBuilder(self.num_actions)
        # For each cost: arms that are pulled, less those that somebody visits.
        balance = builder.rows(-np.inf, 0.0, self._kinds.size)
        builder.entries(balance[self._types], np.arange(self.num_actions), 1.0)
        sizes, workers = np.unique(self.capacities, return_counts=True)
        choices = [patterns(int(size), self._kinds, self._top, _MOST_PATTERNS) for size in sizes]
        if all(choice is not None for choice in choices):
            for choice, number in zip(choices, workers, strict=True):
                assert choice is not None
                columns = builder.variables(np.full(len(choice), number), integer=True)
                pattern, kind = np.nonzero(choice)
                builder.entries(balance[kind], columns[pattern], -choice[pattern, kind])
                builder.entries(builder.rows(-np.inf, number, 1), columns, 1.0)
        else:
            for capacity in self.capacities:
                columns = builder.variables(np.minimum(capacity // self._kinds, self._top), integer=True)
                builder.entries(balance, columns, -1.0)
                builder.entries(builder.rows(-np.inf, capacity, 1), columns, self._kinds)
        return builder.build()

    @cached_property
    def _kinds(self) -> Integers:
        return np.unique(self.costs)

    @cached_property
    def _types(self) -> Integers:
        return np.searchsorted(self._kinds, self.costs)

    @cached_property
    def _indicator(self) -> npt.NDArray[np.float32]:
        return indicator(self._types, self._kinds.size)

    @cached_property
    def _top(self) -> Counts:
        """Most arms of each cost that there are and that could be visited if no others were."""
        there = np.bincount(self._types)
        alone = np.minimum(self.capacities[:, None] // self._kinds, there).sum(0)
        top: Counts = np.minimum(alone, there)
        return top

    @cached_property
    def _table(self) -> Flags | None:
        """Which counts are feasible; None if the table would be too large.

        Workers are added one after the other: counts are feasible with a further worker if, for some pattern of theirs, what
        the pattern leaves was feasible before.
        """
        shape = tuple(self._top + 1)
        if np.prod(np.asarray(shape, np.float64)) > _LARGEST_TABLE:
            return None
        feasible = np.zeros(shape, np.bool_)
        feasible.flat[0] = True
        for capacity in self.capacities:
            choice = patterns(int(capacity), self._kinds, self._top, _MOST_PATTERNS)
            if choice is None:
                return None
            left = [np.ix_(*(np.maximum(np.arange(n) - p, 0) for n, p in zip(shape, row, strict=True))) for row in choice]
            before, feasible = feasible, np.zeros(shape, np.bool_)
            for index in left:
                feasible |= before[index]
        return feasible

    @cached_property
    def _largest_counts(self) -> Counts | None:
        """Feasible counts none of which can be raised, ``(M, t)``; None without a table."""
        table = self._table
        if table is None:
            return None
        maximal = table.copy()
        for axis in range(table.ndim):
            higher = np.swapaxes(table, 0, axis)[1:]
            np.swapaxes(maximal, 0, axis)[:-1][higher] = False
        return np.argwhere(maximal)

    def _maximize(self, coefficients: Floats) -> Actions:
        if self._largest_counts is None:
            return super()._maximize(coefficients)
        return best_by_counts(coefficients, self._types, self._largest_counts)

    @cached_property
    def _memo(self) -> CountMemo:
        return CountMemo(self._decide)

    def _decide(self, counts: Counts) -> bool:
        costs = np.repeat(self._kinds, counts).tolist()
        if sum(costs) > sum(self.capacities.tolist()):
            return False
        if self._packed(costs) is not None:
            return True
        action = np.zeros(self.num_actions)
        for kind, count in enumerate(counts):
            action[np.flatnonzero(self._types == kind)[:count]] = 1.0
        return self.rows().solve(np.zeros(self.num_actions), fixed=action) is not None

    def _packed(self, costs: list[int]) -> list[int] | None:
        """Workers for arms of these rising costs, by a rule of thumb: the dearest first, to whom it leaves with the least."""
        left = sorted((capacity, worker) for worker, capacity in enumerate(self.capacities.tolist()))
        workers: list[int] = []
        for cost in costs[::-1]:
            place = bisect_left(left, (cost, 0))
            if place == len(left):
                return None
            room, worker = left.pop(place)
            workers.append(worker)
            insort(left, (room - cost, worker))
        return workers[::-1]

    def _assignment(self, action: Flags) -> list[dict[str, int]]:
        """Arms with their costs, and who visits them."""
        arms = np.flatnonzero(action)
        arms = arms[np.argsort(self.costs[arms], kind="stable")]
        workers = self._packed(self.costs[arms].tolist())
        if workers is None:
            # Which arm to which worker, as an integer program of its own.
            count = self.capacities.size
            choice = np.arange(arms.size * count).reshape(arms.size, count)
            builder = RowBuilder(choice.size)
            builder.entries(builder.rows(1.0, 1.0, arms.size)[:, None], choice, 1.0)
            builder.entries(builder.rows(-np.inf, self.capacities, count), choice, self.costs[arms][:, None])
            found = builder.build().solve(np.zeros(choice.size))
            if found is None:
                raise RuntimeError("Capacity: no workers for a feasible action; please report this")
            workers = found.reshape(arms.size, count).argmax(axis=1).tolist()
        visits = sorted(zip(arms.tolist(), workers, self.costs[arms].tolist(), strict=True))
        return [{"arm": arm, "worker": worker, "cost": cost} for arm, worker, cost in visits]

    def _contains(self, actions: Actions) -> Flags:
        counts = (actions.astype(np.float32) @ self._indicator).astype(np.int64)
        within = np.asarray((counts <= self._top).all(axis=1))
        if self._table is None:
            within[within] = self._memo(counts[within])
            return within
        strides = np.cumprod([1, *self._table.shape[:0:-1]])[::-1]
        # Counts above the top are out of the table, and already known to be infeasible.
        within &= self._table.ravel()[(np.minimum(counts, self._top) * strides).sum(1)]
        return within

    def sample_large(self, rng: np.random.Generator, size: int) -> Actions:
        """First fit with arms and workers in random order: reaches every maximal set."""
        actions = np.zeros((size, self.num_actions), np.bool_)
        room = rng.permuted(np.tile(self.capacities, (size, 1)), axis=1)
        each = np.arange(size)
        if not self.capacities.size:
            return actions
        for arm in np.argsort(rng.random((size, self.num_actions)), axis=1).T:
            cost = self.costs[arm]
            worker = np.argmax(room >= cost[:, None], axis=1)
            fits = room[each, worker] >= cost
            room[each, worker] -= cost * fits
            actions[each, arm] = fits
        return actions


def patterns(capacity: int, costs: Integers, most: Counts, limit: int) -> Integers | None:
    """Maximal combinations of costs that a capacity holds.

    Args:
        capacity: Of one worker.
        costs: The different costs, ``(t,)``.
        most: How often each may be used, ``(t,)``.
        limit: Most combinations of interest.

    Returns:
        How often each cost is used, ``(number, t)``; None if there are more than ``limit``.
    """
    found: list[list[int]] = []
    # What the costs from each one on add up to if all of them are used.
    rest = [sum(int(m) * int(c) for m, c in zip(most[kind:], costs[kind:], strict=True)) for kind in range(costs.size)]
    stack: list[tuple[list[int], int]] = [([], capacity)]
    while stack:
        begun, left = stack.pop()
        kind = len(begun)
        if kind == costs.size:
            if all(n == top or cost > left for n, top, cost in zip(begun, most, costs, strict=True)):
                found.append(begun)
                if len(found) > limit:
                    return None
            continue
        if rest[kind] <= left:
            stack.append(([*begun, *(int(number) for number in most[kind:])], left - rest[kind]))
            continue
        stack += [([*begun, n], left - n * int(costs[kind])) for n in range(min(int(most[kind]), left // int(costs[kind])) + 1)]
    return np.array(found, np.int64).reshape(-1, costs.size)
