"""Lazy greedy: pick elements freely, without walking to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from envs.arrays import read_whole
from envs.coverage.checks import check_set_function
from envs.coverage.set_functions import SetFunction, SetUtility, ValueOracle
from envs.coverage.set_functions.set_function import require_set_function
from morl.errors import ConfigurationError
from morl.planners.planner import elements_of, objective_weights

_MANY, _FEW = 200, 10  # random sets on which the laws are tested; few if each costs calls of Python
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Picks:
    """What lazy greedy picked."""

    elements: npt.NDArray[np.int64]
    """In the order of picking, ``(number,)``, or fewer if nothing was left to pick."""
    gains: npt.NDArray[np.float64]
    """What each gained, one per element."""
    bound: float
    """No ``number`` elements are worth more together with ``given``."""
    evaluations: int
    """Gains that had to be computed; the plain greedy algorithm needs ``number`` times the number of elements."""


def lazy_greedy(
    function: SetFunction | Callable[[tuple[int, ...]], Any],
    number: int,
    *,
    given: Sequence[int] = (),
    candidates: Sequence[int] | None = None,
    weights: Sequence[float] | None = None,
) -> Picks:
    r"""Pick the element of largest gain, again and again: at least ``1 - 1/e`` of the best choice of as many.

    Gains only fall when sets grow, so an old gain is an upper bound: an element whose fresh gain is above all old ones is the
    best, without looking at the others. The same holds for the bound: elements that are added to what was picked gain at
    most their present gains, :math:`\max_{|B| \le k} F(B) \le F(A) + \sum \text{the } k \text{ largest } F(v \mid A)`, for
    every ``A`` on the way; an element may count more than once if a second visit to it gains something.

    An element is only picked again if a further visit to it gains something. Where nothing gains anything any more, those that
    were not picked yet follow in their order, so that the picks are a ranking; it ends when there is none left.

    Args:
        function: Monotone and submodular: this is tested on random sets, of a Python function on fewer. A function of tuples of
            different elements is taken as :class:`~envs.coverage.set_functions.ValueOracle` and needs ``candidates``.
        number: How many to pick.
        given: Elements that are there from the beginning.
        candidates: Which elements may be picked; None for all. Named twice they count once.
        weights: Of the objectives; may be left out if there is one.

    Returns:
        The picks; fewer than ``number`` if nothing was left to pick.

    Raises:
        SetFunctionLawError: The function is not monotone or not submodular; says on which sets.
        ConfigurationError: There is nothing to pick from, ``number`` is negative, or an element is not in the ground set.
        ShapeError: Not one nonnegative weight per objective.

    Source:
        Minoux 1978 (lazy evaluation); Nemhauser, Wolsey, Fisher 1978 (guarantee); Leskovec et al. 2007 (bound).
    """
    function = _set_function(function, [*given, *(() if candidates is None else candidates)], candidates is not None)
    pool = elements_of(function, range(function.num_elements) if candidates is None else candidates, "candidates")
    _, first = np.unique(pool, return_index=True)
    pool = pool[np.sort(first)]
    there = elements_of(function, given, "given")
    if not hasattr(number, "__index__") or number < 0 or not pool.size:
        raise ConfigurationError(
            f"number is {number} and there are {pool.size} candidates; expected at least 0, in whole numbers, and at least 1"
        )
    check_set_function(function, sets=_FEW if isinstance(function, ValueOracle) else _MANY)
    scale = objective_weights(function, weights)
    again = _gains_again(function, scale)[pool]
    often = bool(again.any())
    most = number if often else min(number, pool.size)
    state = function.start(1, capacity=there.size + most + 1)
    for element in there.tolist():
        function.advance(state, torch.tensor([element]))
    value = float((state["value"][0] * scale).sum())
    chosen = np.isin(pool, there)
    stale = np.full(pool.size, np.inf)
    bound, evaluations = np.inf, 0
    elements: list[int] = []
    gains: list[float] = []
    for _ in range(most):
        fresh = np.zeros(pool.size, np.bool_)
        if not elements:
            stale = (function.gains(state)[0].numpy() @ scale.numpy())[pool]
            fresh[:] = True
            evaluations += pool.size
        # What was picked and gains nothing any more is out; its gain of nothing still counts in the bound.
        out = chosen & ~again
        stale[out] = 0.0
        if out.all():
            break
        while not fresh[best := int(np.where(out, -np.inf, stale).argmax())]:
            stale[best] = float((function.gain(state, torch.tensor([pool[best]]))[0] * scale).sum())
            fresh[best] = True
            evaluations += 1
        bound = min(bound, value + _largest(stale, number, often))
        if stale[best] <= 0:
            # Nothing gains anything: what was not picked yet, in order.
            if chosen.all():
                break
            best = int((~chosen).argmax())
        gains.append(max(float(stale[best]), 0.0))
        elements.append(int(pool[best]))
        chosen[best] = True
        value += float((function.advance(state, torch.tensor([pool[best]]))[0] * scale).sum())
    final = (function.gains(state)[0].numpy() @ scale.numpy())[pool]
    bound = min(bound, value + _largest(final, number, often))
    return Picks(np.array(elements, np.int64), np.array(gains), bound, evaluations)


def _set_function(function: Any, named: Sequence[int], bounded: bool) -> SetFunction:
    """The set function; of a Python function one over the elements that are named."""
    if not isinstance(function, SetUtility) and callable(function):
        if not bounded:
            raise ConfigurationError(
                "a function of Python does not say which elements there are; give candidates=range(number of elements), or "
                "envs.coverage.set_functions.ValueOracle(function, number of elements)"
            )
        try:
            return ValueOracle(function, 1 + int(read_whole("candidates", list(named), "elements").max(initial=0)))
        except ValueError as error:
            raise ConfigurationError(str(error)) from error
    try:
        require_set_function(function)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    found: SetFunction = function
    return found


def repeats_gain(function: SetFunction) -> bool:
    """Whether a second visit to the same element ever gains anything."""
    return bool(_gains_again(function, torch.ones(function.num_objectives, dtype=torch.float64)).any())


def _gains_again(function: SetFunction, scale: Tensor) -> npt.NDArray[np.bool_]:
    """Whether a second visit to each element gains anything, more than rounding, ``(V,)``; if not, no later one does."""
    everything = torch.arange(function.num_elements)
    state = function.start(function.num_elements, capacity=2)
    alone = (function.advance(state, everything) * scale).sum(-1)
    second = (function.gain(state, everything) * scale).sum(-1)
    return np.asarray((second > _ROUNDING * alone).numpy())


def _largest(gains: npt.NDArray[np.float64], number: int, often: bool) -> float:
    return float(number * gains.max()) if often else float(np.sort(gains)[::-1][:number].sum())
