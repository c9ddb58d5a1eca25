"""Check a rule of dominance."""

from __future__ import annotations

import numpy as np

from morl.dominance import Dominance, Pareto
from morl.testing.requirement import require


def check_dominance(dominance: Dominance, *, num_objectives: int = 3, seed: int = 0) -> None:
    """Check that a rule keeps the contract of :class:`morl.dominance.Dominance`.

    Args:
        dominance: What to check.
        num_objectives: ``m``.
        seed: Of the returns it is tried on.

    Raises:
        AssertionError: It breaks the contract; the message says where.

    Example:
        >>> from morl.dominance import Lorenz
        >>> check_dominance(Lorenz())
    """
    rng = np.random.default_rng(seed)
    dominance.check_objectives(num_objectives)
    for count in (1, 2, 12):
        returns = rng.integers(-4, 5, (count, num_objectives)).astype(np.float64)
        returns = np.concatenate([returns, returns[:1]])
        before, low, high = returns.copy(), returns.min(0), returns.max(0)
        best = dominance(returns, low, high)
        require(best.dtype == np.bool_ and best.shape == (count + 1,), f"expected a mask of shape {(count + 1,)}, got {best!r}")
        require(bool((returns == before).all()), "it changed its arguments")
        require(bool(best.any()), "of some returns at least one is not dominated")
        require(
            bool((best == dominance(returns, low, high)).all()), "the same returns gave another mask; it must keep no state"
        )
        require(not bool((best & ~Pareto()(returns, low, high)).any()), "it marked a return that another one Pareto-dominates")
        require(len(np.unique(returns[best], axis=0)) == best.sum(), "of equal returns it marked several")
        for order in (rng.permutation(count + 1) for _ in range(4)):
            shuffled = returns[order][dominance(returns[order], low, high)]
            same = np.array_equal(np.unique(shuffled, axis=0), np.unique(returns[best], axis=0))
            require(same, "it marked other returns when they came in another order")
