r"""Convex-hull value iteration: the convex coverage set of a finite environment, for all weights at once.

References:
    Barrett, L. and Narayanan, S. (2008). Learning all optimal policies with multiple criteria. ICML.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from envs.arrays import Flags, Floats
from morl.functional.dominance import convex_non_dominated
from morl.oracles.pareto_value_iteration import non_dominated_on_grid
from morl.oracles.process import Source, checked_discount, read_process
from morl.oracles.value_sets import Backup, ValueSet, in_order, iterate, largest_return, read_tolerance, smallest_cell

_MARGIN = {2: 1e-11}
"""Share of its range by which a value must lead, by number of objectives: programs are less exact than a sorted list."""
_PROGRAM_MARGIN = 1e-9


def convex_hull_value_iteration(
    source: Source,
    gamma: float,
    *,
    horizon: int | None = None,
    tolerance: npt.ArrayLike | None = None,
    limit: int = 10_000,
    max_sweeps: int = 100_000,
) -> ValueSet:
    r"""Return the convex coverage set: the fewest returns among which is a best one for every weighted sum.

    Without a horizon deterministic stationary policies reach all of it, however uncertain the transitions are.

    Args:
        source: See :func:`morl.oracles.read_process`.
        gamma: Discount in ``[0, 1]``.
        horizon: Steps of an episode; None if episodes end by themselves or never.
        tolerance: What the return after the last sweep may be worth, return units; None for a billionth of the largest return.
        limit: Largest number of values of one state.
        max_sweeps: Sweeps after which it is given up.

    Returns:
        The set, from the start of an episode, and that of every state.

    Raises:
        ConfigurationError: The process cannot be read or never ends, a set is larger than ``limit``, or sets still change
            after ``max_sweeps``.

    Source:
        Barrett and Narayanan 2008. Cost: sets stay small; with two objectives they are sorted, with more a linear program
        decides about each value that none of 256 weights settles; discounted for ever, that
        takes minutes from three objectives on.

    Example:
        >>> convex_hull_value_iteration("tabular/treasure-corridor-v0", 1.0).values.tolist()
        [[1.0, -1.0], [8.0, -4.0], [10.0, -5.0], [11.0, -6.0]]
    """
    process = read_process(source)
    gamma = checked_discount(gamma)
    cell = smallest_cell(process)
    margin = _MARGIN.get(process.num_objectives, _PROGRAM_MARGIN)

    range_of_all = largest_return(process, gamma)

    def prune(values: Floats, coarse: float) -> Flags:
        keep = non_dominated_on_grid(values, np.maximum(cell, coarse * range_of_all))
        keep[keep] = supported(values[keep], max(margin, coarse))
        return keep

    found = iterate(
        process,
        gamma,
        Backup(prune=prune, cell=cell, share=margin),
        horizon=horizon,
        tolerance=read_tolerance(process, tolerance, gamma, cell),
        limit=limit,
        max_sweeps=max_sweeps,
    )
    span = np.ptp(found.values, axis=0)
    span = np.where(span > 0, span, 1.0)
    # A lead that is smaller than what is left of the iteration is none.
    unsettled = max(process.precision, float((found.error / span).max()))
    keep = supported(found.values, unsettled)
    rounding = process.precision * span
    return replace(found, values=in_order(found.values[keep], rounding), error=found.error + unsettled * span)


def supported(values: Floats, margin: float) -> Flags:
    """Mark values that lead under some weighted sum by more than ``margin`` times the range, of a front ``(p, m)``."""
    if values.shape[1] != 2 or len(values) < 3:
        return convex_non_dominated(values, margin=margin)
    span = np.ptp(values, axis=0)
    scaled = values / np.where(span > 0, span, 1.0)
    order = np.lexsort(scaled.T[::-1])
    # Left to right along the front, the lead of each value over the chord of its neighbours, at the chord's own weights.
    chain: list[int] = []
    for i in order:
        while len(chain) >= 2 and _lead(scaled[chain[-2]], scaled[chain[-1]], scaled[i]) <= 0.0:
            chain.pop()
        chain.append(int(i))
    while len(chain) >= 3:
        leads = [_lead(*scaled[chain[k - 1 : k + 2]]) for k in range(1, len(chain) - 1)]
        if min(leads) > margin:
            break
        del chain[1 + int(np.argmin(leads))]
    keep = np.zeros(len(values), np.bool_)
    keep[chain] = True
    return keep


def _lead(left: Floats, middle: Floats, right: Floats) -> float:
    """By how much the middle one of three points of a front beats the others, at the weights that make those equal."""
    normal = np.array([left[1] - right[1], right[0] - left[0]])
    return float(normal @ (middle - left) / normal.sum())
