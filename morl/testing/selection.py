"""Check a rule that chooses who learns."""

from __future__ import annotations

import numpy as np

from morl.seeding import stream
from morl.selection import Selection, Standing
from morl.selection.floor import FLOOR
from morl.testing.requirement import require


def check_selection(selection: Selection, *, turns: int = 40) -> None:
    """Check that a rule keeps the contract of :class:`morl.selection.Selection`.

    Args:
        selection: What to check.
        turns: How many turns to try, for populations of 1, 2 and 7 members.

    Raises:
        AssertionError: It breaks the contract; the message says where.

    Example:
        >>> from morl.selection import RoundRobin
        >>> check_selection(RoundRobin())
    """
    for n in (1, 2, 7):
        for turn in range(turns):
            rng = stream(turn, "check_selection", n)
            weights, values, ages = rng.dirichlet(np.ones(2), size=n), rng.normal(size=(n, 2)), rng.integers(0, turn + 1, n)
            gains = np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n))
            growth = np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n))
            standing = Standing(
                turn=turn, weights=weights, values=values, ages=ages, gains=gains, growth=growth,
                waiting=rng.integers(0, ages + 1), seed=0,
            )  # fmt: skip
            chosen = selection(standing)
            case = f"turn {turn} of {n} members"
            require(len(chosen) >= 1, f"{case}: nobody learns")
            require(len(set(chosen)) == len(chosen), f"{case}: a member is chosen twice: {chosen}")
            require(all(type(i) is int and 0 <= i < n for i in chosen), f"{case}: not indices from 0 to {n - 1}: {chosen}")
            require(selection(standing) == chosen, f"{case}: the same standing gave another choice; keep no state")
        _check_floor(selection, n)
    nothing = np.full((3, 2), np.nan)
    first = Standing(
        turn=0, weights=np.full((3, 2), 0.5), values=nothing, ages=np.zeros(3, np.int64), gains=nothing[:, 0],
        growth=nothing[:, 0], waiting=np.zeros(3, np.int64), seed=0,
    )  # fmt: skip
    require(len(selection(first)) >= 1, "before the first evaluation, when values are NaN: nobody learns")


def _check_floor(selection: Selection, n: int) -> None:
    """Nobody waits for ``FLOOR * n`` turns, though only member 0 ever succeeds."""
    rng, waiting = stream(n, "check_selection/floor"), np.zeros(n, dtype=np.int64)
    weights, values = rng.dirichlet(np.ones(2), size=n), rng.normal(size=(n, 2))
    growth = -np.arange(float(n))
    for turn in range(10 * n):
        chosen = selection(
            Standing(
                turn=turn, weights=weights, values=values, ages=np.full(n, turn), gains=growth, growth=growth,
                waiting=waiting.copy(), seed=n,
            )
        )  # fmt: skip
        waiting += 1
        waiting[chosen] = 0
        late = np.flatnonzero(waiting >= FLOOR * n).tolist()
        require(not late, f"{n} members: {late} had no turn in {FLOOR * n} turns; apply morl.selection.floor.with_floor")
