"""Lazy greedy: pick elements freely, without walking to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from envs.coverage.checks import check_set_function
from envs.coverage.set_functions import SetFunction


@dataclass(frozen=True)
class Picks:
    """What lazy greedy picked."""

    elements: npt.NDArray[np.int64]
    """In the order of picking, ``(number,)``."""
    gains: npt.NDArray[np.float64]
    """What each gained, ``(number,)``."""
    bound: float
    """No ``number`` elements are worth more together with ``given``."""
    evaluations: int
    """Gains that had to be computed; the plain greedy algorithm needs ``number`` times the number of elements."""


def lazy_greedy(
    function: SetFunction,
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

    Args:
        function: Monotone and submodular: this is tested on random sets.
        number: How many to pick.
        given: Elements that are there from the beginning.
        candidates: Which elements may be picked; None for all. An element may be picked again.
        weights: Of the objectives; may be left out if there is one.

    Raises:
        SetFunctionLawError: The function is not monotone or not submodular; says on which sets.
        ValueError: There is nothing to pick from, or ``number`` is negative.

    Source:
        Minoux 1978 (lazy evaluation); Nemhauser, Wolsey, Fisher 1978 (guarantee); Leskovec et al. 2007 (bound).
    """
    pool = np.arange(function.num_elements) if candidates is None else np.asarray(candidates, np.int64)
    if number < 0 or not pool.size:
        raise ValueError(f"number is {number} and there are {pool.size} candidates; expected at least 0 and at least 1")
    check_set_function(function)
    scale = torch.as_tensor([1.0] * function.num_objectives if weights is None else weights, dtype=torch.float64)
    state = function.start(1, capacity=len(given) + number + 1)
    for element in given:
        function.advance(state, torch.tensor([element]))
    value = float((state["value"][0] * scale).sum())
    often = repeats_gain(function)
    stale = np.full(pool.size, np.inf)
    bound, evaluations = np.inf, 0
    elements: list[int] = []
    gains: list[float] = []
    for _ in range(number):
        fresh = np.zeros(pool.size, np.bool_)
        if not elements:
            stale = (function.gains(state)[0].numpy() @ scale.numpy())[pool]
            fresh[:] = True
            evaluations += pool.size
        while not fresh[best := int(stale.argmax())]:
            stale[best] = float((function.gain(state, torch.tensor([pool[best]]))[0] * scale).sum())
            fresh[best] = True
            evaluations += 1
        bound = min(bound, value + _largest(stale, number, often))
        gains.append(stale[best])
        elements.append(int(pool[best]))
        value += float((function.advance(state, torch.tensor([pool[best]]))[0] * scale).sum())
    final = (function.gains(state)[0].numpy() @ scale.numpy())[pool]
    bound = min(bound, value + _largest(final, number, often))
    return Picks(np.array(elements, np.int64), np.array(gains), bound, evaluations)


def repeats_gain(function: SetFunction) -> bool:
    """Whether a second visit to the same element ever gains anything."""
    everything = torch.arange(function.num_elements)
    state = function.start(function.num_elements, capacity=2)
    function.advance(state, everything)
    return bool((function.gain(state, everything) > 0).any())


def _largest(gains: npt.NDArray[np.float64], number: int, often: bool) -> float:
    return float(number * gains.max()) if often else float(np.sort(gains)[::-1][:number].sum())
