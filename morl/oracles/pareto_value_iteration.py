r"""Pareto value iteration: every trade-off that deterministic policies of a finite environment reach.

References:
    White, D. J. (1982). Multi-objective infinite-horizon discounted Markov decision processes. Journal of Mathematical
    Analysis and Applications 89.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from envs.arrays import Flags, Floats
from morl.functional.dominance import non_dominated
from morl.oracles.process import Source, checked_discount, read_process
from morl.oracles.value_sets import Backup, ValueSet, in_order, iterate, largest_return, read_resolution, read_tolerance


def pareto_value_iteration(
    source: Source,
    gamma: float,
    *,
    horizon: int | None = None,
    resolution: npt.ArrayLike = 0.0,
    tolerance: npt.ArrayLike | None = None,
    limit: int = 100_000,
    max_sweeps: int = 100_000,
) -> ValueSet:
    r"""Return the non-dominated expected discounted returns of deterministic policies.

    The policies may remember: what they do in a state may depend on how they came there, and with a horizon on the step. Where
    an episode visits no state twice and no two ways lead to one state by chance, stationary policies reach the same.

    Exact, but for rounding, where episodes have a horizon, visit no state twice, or where no set changes any more. Elsewhere
    the return after the last sweep is missing, :math:`\gamma^K \max |r| / (1 - \gamma)`, and sets may grow without end; with a
    ``resolution`` one value stands for all in its cell, which costs at most :math:`\sum_t \gamma^t` cells. Both are in
    :attr:`~morl.oracles.ValueSet.error`.

    Args:
        source: See :func:`morl.oracles.read_process`.
        gamma: Discount in ``[0, 1]``.
        horizon: Steps of an episode; None if episodes end by themselves or never. A time limit of the environment is not
            taken by itself.
        resolution: Side of a cell in return units, a number or one per objective; 0 for none.
        tolerance: What the return after the last sweep may be worth, return units; None for the resolution, or a billionth of
            the largest return.
        limit: Largest number of values of one state.
        max_sweeps: Sweeps after which it is given up.

    Returns:
        The front, from the start of an episode, and the set of every state.

    Raises:
        ConfigurationError: The process cannot be read or never ends, a set is larger than ``limit``, or sets still change
            after ``max_sweeps``.

    Source:
        White 1982. Cost: proportional to the sizes of the sets, which may grow exponentially with the length of episodes; of
        a state with ``b`` uncertain successors the product of ``b`` sets is compared.

    Example:
        >>> front = pareto_value_iteration("tabular/treasure-corridor-v0", 1.0)
        >>> front.values.tolist()
        [[1.0, -1.0], [2.0, -2.0], [3.0, -3.0], [8.0, -4.0], [10.0, -5.0], [11.0, -6.0]]
    """
    process = read_process(source)
    gamma = checked_discount(gamma)
    cell = read_resolution(process, resolution)
    range_of_all = largest_return(process, gamma)

    def prune(values: Floats, coarse: float) -> Flags:
        return non_dominated_on_grid(values, np.maximum(cell, coarse * range_of_all))

    found = iterate(
        process,
        gamma,
        Backup(prune=prune, cell=cell, share=float((cell / np.maximum(range_of_all, cell)).min())),
        horizon=horizon,
        tolerance=read_tolerance(process, tolerance, gamma, cell),
        limit=limit,
        max_sweeps=max_sweeps,
    )
    span = np.ptp(found.values, axis=0)
    rounding = process.precision * np.where(span > 0, span, 1.0)
    keep = non_dominated_on_grid(found.values, rounding)
    return replace(found, values=in_order(found.values[keep], rounding), error=found.error + rounding)


def non_dominated_on_grid(values: Floats, cell: Floats) -> Flags:
    """Mark values that no other one dominates when both are rounded to whole cells; of equal ones the first, ``(p,)``."""
    return non_dominated(np.rint(values / cell))
