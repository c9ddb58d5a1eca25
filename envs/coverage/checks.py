"""Checks that anybody can run on a set function of their own."""

from __future__ import annotations

import torch
from torch import Tensor

from envs.coverage.set_functions.set_function import SetFunction, require_set_function


class SetFunctionLawError(AssertionError):
    """A set function breaks a law."""

    def __init__(self, law: str, sets: tuple[list[int], ...], element: int | None, found: str) -> None:
        """Say which law fails, and where.

        Args:
            law: Its name.
            sets: The visits of the sets it fails on.
            element: The visit that is added, if there is one.
            found: What was found there.
        """
        self.law, self.sets, self.element, self.found = law, sets, element, found
        added = "" if element is None else f" when {element} is added"
        super().__init__(f"{law} fails on {' and '.join(map(str, sets))}{added}: {found}")


def check_set_function(
    function: SetFunction, *, sets: int = 200, size: int = 6, repeats: bool = True, tolerance: float = 1e-8, seed: int = 0
) -> None:
    """Check a set function on random sets: that it is one, monotone, and has diminishing returns.

    In this order: the empty set is worth nothing (*normalised*); a gain announced is the gain received (*gain*, *gains*), also
    if only some sets grow (*rows*); gains add up to the value, computed in one go (*telescoping*); the order of visits does not
    change the value (*order invariance*); no visit loses anything (*monotone*); and no visit gains more after further visits
    (*diminishing returns*).

    Args:
        function: On the CPU.
        sets: How many random sequences.
        size: Visits in each.
        repeats: Whether an element may be visited twice; if not, at most all elements are visited.
        tolerance: By how much a law may be missed, for rounding; a share of what the visits are worth alone where that is above
            1.
        seed: Of the random sequences.

    Raises:
        SetFunctionLawError: With the law, the sets and the element.
        ValueError: It is no set function.
    """
    require_set_function(function)
    rng = torch.Generator().manual_seed(seed)
    number = function.num_elements
    if repeats:
        visits = torch.randint(number, (sets, size), generator=rng)
    else:
        visits = torch.rand(sets, number, generator=rng).argsort(1)[:, :size]
        size = visits.shape[1]
    extra = torch.randint(number, (sets,), generator=rng)
    # Values round in proportion to their size.
    tolerance *= max(1.0, size * float(function.singletons().abs().max()))
    state = function.start(sets, capacity=size + 1)
    if state["value"].abs().max() > tolerance:
        raise SetFunctionLawError("normalised", ([],), None, f"the empty set is worth {state['value'][0].tolist()}, not 0")
    received, announced = [], [function.gain(state, extra)]
    for step in range(size):
        element = visits[:, step]
        promised, listed = function.gain(state, element), function.gains(state)[torch.arange(sets), element]
        gains = _advance_in_parts(function, state, element) if step == size - 1 else function.advance(state, element)
        for law, other in (("gain", promised), ("gains", listed)):
            _compare(law, visits[:, :step], element, other, gains, tolerance)
        received.append(gains)
        announced.append(function.gain(state, extra))
    trajectory = torch.stack(received, 1)
    total = trajectory.sum(1)
    for step, gains in enumerate(function.trajectory_gains(visits).unbind(1)):
        _compare("telescoping", visits[:, :step], visits[:, step], gains, trajectory[:, step], tolerance)
    _compare("telescoping", visits, None, state["value"], total, tolerance)
    shuffled = visits.gather(1, torch.rand(sets, size, generator=rng).argsort(1))
    other = function.trajectory_gains(shuffled).sum(1)
    wrong = _first(((other - total).abs() > tolerance).any(-1))
    if wrong is not None:
        found = f"values {total[wrong].tolist()} and {other[wrong].tolist()}"
        raise SetFunctionLawError("order invariance", (visits[wrong].tolist(), shuffled[wrong].tolist()), None, found)
    for step in range(size + 1):
        gains, before = announced[step], visits[:, :step]
        worst = _first((gains < -tolerance).any(-1))
        if worst is not None:
            gained = f"it gains {gains[worst].tolist()}; expected nothing below 0"
            raise SetFunctionLawError("monotone", (before[worst].tolist(),), int(extra[worst]), gained)
        if step == 0:
            continue
        worst = _first((gains > announced[step - 1] + tolerance).any(-1))
        if worst is not None:
            small, large = visits[worst, : step - 1].tolist(), before[worst].tolist()
            less, more = announced[step - 1][worst].tolist(), gains[worst].tolist()
            gained = f"it gains {less} in the smaller set, but {more} in the larger"
            raise SetFunctionLawError("diminishing returns", (small, large), int(extra[worst]), gained)


def _advance_in_parts(function: SetFunction, state: dict[str, Tensor], elements: Tensor) -> Tensor:
    """Let some sets grow after the others, in random-looking order; nobody may notice."""
    order = torch.arange(elements.shape[0]).flip(0)
    gains = torch.zeros(elements.shape[0], function.num_objectives, dtype=torch.float64)
    for rows in (order[::2], order[1::2]):
        gains[rows] = function.advance(state, elements[rows], rows)
    return gains


def _first(wrong: Tensor) -> int | None:
    """Index of the first True."""
    places = wrong.nonzero()
    return int(places[0]) if places.numel() else None


def _compare(law: str, before: Tensor, element: Tensor | None, found: Tensor, expected: Tensor, tolerance: float) -> None:
    wrong = _first(~((found - expected).abs() <= tolerance).all(-1))
    if wrong is not None:
        added = None if element is None else int(element[wrong])
        text = f"{found[wrong].tolist()} here, {expected[wrong].tolist()} when the sets grow visit by visit"
        raise SetFunctionLawError(law, (before[wrong].tolist(),), added, text)
