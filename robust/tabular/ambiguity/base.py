"""What an ambiguity set must be able to do, and checks that several sets share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import EllipsisType
from typing import Any, ClassVar, Literal, Protocol, Self, get_args

import numpy as np
import numpy.typing as npt

from morl.errors import ConfigurationError

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Index = tuple[IntArray, IntArray] | EllipsisType
"""Selects state-action pairs: ``(states, actions)``, or all of them."""
Support = Literal["simplex", "nominal"]
"""Where nature may put probability: on every listed outcome, or only where the nominal distribution has some."""


class SARectangular(Protocol):
    """Nature chooses the distribution of every state-action pair independently of all others.

    Outcomes ``z`` are what each next state is worth, either per pair ``(..., b)`` or one list ``(b,)`` for all pairs;
    nominal distributions are ``(..., b)``. Nothing here loops over pairs.
    """

    rectangularity: ClassVar[Literal["sa"]]

    def check(self, transitions: Array) -> None:
        """Refuse nominal distributions ``(S, A, b)`` that do not fit the set."""

    def at(self, index: Index) -> Self:
        """Return the set of some state-action pairs only."""

    def worst_value(self, outcomes: Array, nominal: Array) -> Array:
        """Return the smallest expected outcome of each pair, ``(...)``."""

    def worst_distribution(self, outcomes: Array, nominal: Array) -> Array:
        """Return a distribution with the smallest expected outcome for each pair, ``(..., b)``."""


class SRectangular(Protocol):
    """Nature chooses the distributions of all actions of a state together, before the action is drawn.

    The best policy may have to be stochastic. Outcomes and nominal distributions are ``(S, A, b)``.
    """

    rectangularity: ClassVar[Literal["s"]]

    def check(self, transitions: Array) -> None:
        """Refuse nominal distributions ``(S, A, b)`` that do not fit the set."""

    def maximin(self, outcomes: Array, nominal: Array) -> tuple[Array, Array, Array]:
        """Solve the game of every state.

        Args:
            outcomes: What each next state is worth, ``(S, A, b)``.
            nominal: Nominal distributions, ``(S, A, b)``.

        Returns:
            Values ``(S,)``, action probabilities ``(S, A)`` and nature's distributions ``(S, A, b)``.
        """

    def response(self, outcomes: Array, nominal: Array, policy: Array) -> Array:
        """Return nature's best distributions ``(S, A, b)`` against action probabilities ``(S, A)``."""


class PairByPair(SARectangular, ABC):
    """Base of the sa-rectangular sets: what holds where the set is the same for every pair."""

    rectangularity: ClassVar[Literal["sa"]] = "sa"

    def check(self, transitions: Array) -> None:
        """Accept every nominal distribution."""
        del transitions

    def at(self, index: Index) -> Self:
        """Return itself: the set is the same for every pair."""
        return self

    def worst_value(self, outcomes: Array, nominal: Array) -> Array:
        return expectation(self.worst_distribution(outcomes, nominal), outcomes)

    @abstractmethod
    def worst_distribution(self, outcomes: Array, nominal: Array) -> Array: ...


def expectation(probabilities: Array, outcomes: Array) -> Array:
    """Expected outcomes ``(...)`` of distributions ``(..., b)``; outcomes are ``(..., b)`` or ``(b,)`` for all pairs."""
    if outcomes.ndim == 1:
        return np.asarray(probabilities @ outcomes)
    return np.asarray(np.einsum("...b,...b->...", probabilities, outcomes))


def poured(outcomes: Array, room: Array, amount: Array | float) -> Array:
    """Mass that fills up the outcomes of lowest worth first.

    Args:
        outcomes: ``(..., b)``, or ``(b,)`` for all pairs.
        room: How much each outcome takes, ``(..., b)``.
        amount: Of each pair, ``(..., 1)``, or of all.

    Returns:
        ``(..., b)``.
    """
    order = np.argsort(outcomes, axis=-1, kind="stable")
    sorted_room = room[..., order] if outcomes.ndim == 1 else np.take_along_axis(room, order, axis=-1)
    before = np.cumsum(sorted_room, axis=-1) - sorted_room
    filled = np.clip(amount - before, 0.0, sorted_room)
    result = np.empty_like(room)
    if outcomes.ndim == 1:
        result[..., order] = filled
    else:
        np.put_along_axis(result, order, filled, axis=-1)
    return result


def checked_radius(name: str, radius: Any) -> float:
    """Return a radius as a float; refuse what is negative or not a number."""
    try:
        value = float(radius)
    except (TypeError, ValueError):
        value = float("nan")
    if not value >= 0:
        raise ConfigurationError(f"{name}(radius={radius!r}): expected a number >= 0; 0 is the nominal model alone")
    return value


def checked_support(name: str, support: str) -> None:
    """Refuse an unknown kind of support."""
    if support not in get_args(Support):
        raise ConfigurationError(f"{name}(support={support!r}): expected one of {', '.join(map(repr, get_args(Support)))}")
