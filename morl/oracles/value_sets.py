"""Set-valued value iteration: the one loop behind Pareto and convex-hull value iteration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from envs.arrays import Flags, Floats, Integers
from morl.errors import ConfigurationError
from morl.oracles.process import Process, checked_horizon, per_objective

Prune = Callable[[Floats, float], Flags]
"""Which values of a set ``(p, m)`` stay, ``(p,)``, if pruning may cost a share of the range of all returns."""

_MOST_SUMS = 4_000_000  # values that are compared at once
_COARSE = 0.1
"""Share of the range that the first sweep may lose where returns are discounted for ever. What is lost in a sweep is discounted
like the return that is still missing then, so pruning as coarsely as that keeps sets small and costs next to nothing."""
_FASTER = 0.1  # factor of that share when nothing changes any more
_LARGE = 20  # values above which pruning is coarse
_WHOLE = 100  # values up to which a part of a sum is not pruned by itself


@dataclass(frozen=True, kw_only=True, eq=False)
class ValueSet:
    """A set of expected vector returns, and how well it is known."""

    values: Floats
    """From the start of an episode, ``(p, m)``, return units, in lexicographic order."""
    error: Floats
    """Of each objective, ``(m,)``, return units. Every return that the oracle speaks of is, in each objective, at most this
    above one and the same of ``values`` (for the convex coverage set: a mixture of them), and none of ``values`` is farther
    from what a policy earns. What is left of rounding where the answer is exact."""
    sweeps: int
    """Times that all states were looked at."""
    states: Mapping[int, Floats]
    """The set of each reachable state by its number, ``(p_s, m)``; with a horizon, that of all its steps still to go."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Backup:
    """How sets are kept small."""

    prune: Prune
    """Of one state's set, or of a part of a sum."""
    cell: Floats
    """What pruning may cost in each objective at each step, ``(m,)``, return units."""
    share: float
    """What pruning costs besides at least, as a share of the range of the set."""


def iterate(
    process: Process, gamma: float, backup: Backup, *, horizon: int | None, tolerance: Floats, limit: int, max_sweeps: int
) -> ValueSet:
    r"""Iterate the set-valued backup from :math:`\{0\}`.

    .. math:: V(s) \leftarrow P \bigcup_a \Big( r(s,a) + \gamma \bigoplus_{s'} p(s' \mid s,a)\, V(s') \Big)

    States are only looked at again if a set that they lead to has changed; without circles each is looked at once.

    Args:
        process: What is solved.
        gamma: Discount.
        backup: The pruning ``P``.
        horizon: Steps of an episode; None if episodes end by themselves or never.
        tolerance: What the return after the last sweep may still be worth, per objective, return units.
        limit: Largest number of values of one state.
        max_sweeps: Sweeps after which it is given up.
    """
    checked_horizon(horizon)
    sweeper = _Sweeper(process, gamma, backup, limit)
    order = process.backward_order() if horizon is None else None
    if order is not None:
        for state in order:
            sweeper.look_at([int(state)])
        return sweeper.result(sweeps=1, steps=_longest_path(process, order), tail=0.0)
    if horizon is None:
        process.refuse_endless(gamma)
        sweeper.coarse = _COARSE if gamma < 1.0 else 0.0
    due = np.ones(process.num_states, np.bool_)
    owner = process.pairs() // process.num_actions
    for sweep in range(1, (max_sweeps if horizon is None else horizon) + 1):
        sweeper.coarse *= gamma
        changed = sweeper.look_at(np.flatnonzero(due).tolist())
        due = sweeper.rough | (np.bincount(owner, changed[process.successors], minlength=process.num_states) > 0)
        if not changed.any():
            sweeper.coarse *= _FASTER
        # What each of the sweeps lost by pruning coarsely is worth as much in the end.
        is_missing = horizon is None and bool(due.any())
        tail = _tail(gamma, sweep) * (1.0 + 2.0 * _COARSE * sweep * sweeper.prunes) if is_missing else 0.0
        is_close = is_missing and bool((tail * _earns(process) <= tolerance).all())
        if not due.any() or sweep == horizon or is_close:
            return sweeper.result(sweeps=sweep, steps=sweep if horizon is None else horizon, tail=tail)
    raise ConfigurationError(
        f"sets still change after {max_sweeps} sweeps with gamma {gamma:g}: give a horizon, a smaller gamma, a resolution or "
        "more max_sweeps; with gamma 1 a circle may pay"
    )


class _Sweeper:
    """The sets of all states, and how one sweep makes the next."""

    def __init__(self, process: Process, gamma: float, backup: Backup, limit: int) -> None:
        self.process, self.gamma, self.backup, self.limit = process, gamma, backup, limit
        self.sets: list[Floats] = [np.zeros((1, process.num_objectives)) for _ in range(process.num_states)]
        self.coarse = 0.0
        """What pruning a large set may cost at present, as a share of the range."""
        self.rough = np.zeros(process.num_states, np.bool_)
        """States whose set was pruned coarsely when it was made."""
        self.prunes = max(1, int(np.diff(process.offsets).max()), int(np.count_nonzero(process.start)))
        """How often a set is pruned at most while it is made: once for each further successor, and once in the end."""
        self._same = 1e-2 * smallest_cell(process)
        self._was_coarse = False

    def look_at(self, states: list[int]) -> Flags:
        """Make new sets of some states out of the old ones; return which have changed, ``(S,)``."""
        fresh = []
        for state in states:
            self._was_coarse = False
            fresh.append(self._backed_up(state))
            self.rough[state] = self._was_coarse
        changed = np.zeros(self.process.num_states, np.bool_)
        for state, values in zip(states, fresh, strict=True):
            old, self.sets[state] = self.sets[state], values
            changed[state] = values.shape != old.shape or bool((np.abs(values - old) > self._same).any())
        return changed

    def result(self, *, sweeps: int, steps: int, tail: float) -> ValueSet:
        """The set of the start, and what it may be wrong by after some discounted steps."""
        process, self.coarse = self.process, 0.0
        begins = np.flatnonzero(process.start)
        values = self._kept(self._sum(begins, process.start[begins], -1), -1)
        total = 1.0 + float((self.gamma ** np.arange(steps)).sum())  # one more for the start
        widest = 2.0 * _earns(process) * total
        return ValueSet(
            values=values,
            error=self.prunes * (self.backup.cell + self.backup.share * widest) * total + tail * _earns(process),
            sweeps=sweeps,
            states={int(name): values for name, values in zip(process.states, self.sets, strict=True)},
        )

    def _backed_up(self, state: int) -> Floats:
        parts = []
        for action in range(self.process.num_actions):
            successors, chances = self.process.leads_to(state, action)
            parts.append(self.process.rewards[state, action] + self._sum(successors, self.gamma * chances, state))
        return self._kept(np.concatenate(parts), state)

    def _sum(self, successors: Integers, factors: Floats, state: int) -> Floats:
        """All sums of one value of each successor times its factor; what is dominated is dropped on the way."""
        m = self.process.num_objectives
        total = np.zeros((1, m))
        for successor, factor in zip(successors, factors, strict=True):
            values = self.sets[successor]
            if len(total) * len(values) > max(_MOST_SUMS, self.limit):
                self._refuse(state, len(total) * len(values))
            sums = (total[:, None] + factor * values).reshape(-1, m)
            total = sums if len(sums) <= _WHOLE else self._kept(sums, state)
        return total

    def _kept(self, values: Floats, state: int) -> Floats:
        coarse = self.coarse if len(values) > _LARGE and self.coarse > self.backup.share else 0.0
        self._was_coarse |= coarse > 0.0
        kept = values[self.backup.prune(values, coarse)]
        if len(kept) > self.limit:
            self._refuse(state, len(kept))
        return kept[np.lexsort(kept.T[::-1])]

    def _refuse(self, state: int, number: int) -> None:
        name = "the start" if state < 0 else f"state {self.process.states[state]}"
        raise ConfigurationError(
            f"{name} has {number} values to compare, more than the limit of {self.limit}: give a coarser resolution, a shorter "
            "horizon, or a larger limit"
        )


def in_order(values: Floats, rounding: Floats) -> Floats:
    """Sort values ``(p, m)`` lexicographically, those that differ by rounding taken as equal."""
    return values[np.lexsort(np.rint(values / rounding).T[::-1])]


def largest_return(process: Process, gamma: float) -> Floats:
    """Of an endless episode with the largest reward in each step, ``(m,)``; of one step without discount."""
    return _earns(process) / (1.0 - gamma if gamma < 1.0 else 1.0)


def _earns(process: Process) -> Floats:
    """The largest expected reward of a step, ``(m,)``."""
    most: Floats = np.abs(process.rewards).max((0, 1))
    return most


def _tail(gamma: float, steps: int) -> float:
    """Largest return after some steps, in largest rewards."""
    return float("inf") if gamma == 1.0 else gamma**steps / (1.0 - gamma)


def _longest_path(process: Process, order: Integers) -> int:
    depth = np.zeros(process.num_states, np.int64)
    for state in order:
        part = slice(process.offsets[state * process.num_actions], process.offsets[(state + 1) * process.num_actions])
        depth[state] = 1 + depth[process.successors[part]].max(initial=0)
    return int(depth.max())


def smallest_cell(process: Process) -> Floats:
    """Differences of returns that are rounding, ``(m,)``, return units."""
    earns = _earns(process)
    return 1e-10 * np.where(earns > 0, earns, 1.0)


def read_resolution(process: Process, resolution: npt.ArrayLike) -> Floats:
    """The side of a cell in which one value stands for all, ``(m,)``; refuses negative ones."""
    given = per_objective("resolution", resolution, process.num_objectives)
    if (given < 0).any():
        raise ConfigurationError(f"resolution is {given.min():g}; expected at least 0, in return units")
    return np.maximum(given, smallest_cell(process))


def read_tolerance(process: Process, tolerance: npt.ArrayLike | None, gamma: float, resolution: Floats) -> Floats:
    """What the return after the last sweep may be worth, ``(m,)``: by default the resolution, or a billionth of all of it."""
    if tolerance is None:
        return np.maximum(resolution, 1e-9 * _earns(process) / max(1.0 - gamma, 1e-9))
    given = per_objective("tolerance", tolerance, process.num_objectives)
    if (given <= 0).any():
        raise ConfigurationError(f"tolerance is {given.min():g}; expected more than 0, in return units")
    return given
