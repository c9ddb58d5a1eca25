"""Briefing: what MORL/D tells a rule that asks for more than the moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from morl.errors import ConfigurationError, ShapeError
from morl.weights.adaptation.population import Attained
from morl.weights.adaptation.solved import RESOLUTION

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Changes:
    """What a period of training did to members, ``k`` times.

    Raises:
        ShapeError: The shapes disagree.
    """

    weights: Array
    """That the member was trained with, ``(k, m)``, rows on the simplex."""
    before: Array
    """Its value at the beginning of the period, ``(k, m)``, return units."""
    after: Array
    """Its value at the end, ``(k, m)``, return units."""
    period: npt.NDArray[np.int64]
    """Which exchange period it was, ``(k,)``, in order."""

    def __post_init__(self) -> None:
        shape = self.weights.shape
        if len(shape) != 2 or self.before.shape != shape or self.after.shape != shape or self.period.shape != shape[:1]:
            raise ShapeError(
                f"changes with weights {shape}, before {self.before.shape}, after {self.after.shape} and period "
                f"{self.period.shape}; expected (k, m) three times and (k,)"
            )

    @classmethod
    def none(cls, num_objectives: int) -> Self:
        """Nobody was trained yet."""
        empty = np.zeros((0, num_objectives))
        return cls(weights=empty, before=empty, after=empty, period=np.zeros(0, dtype=np.int64))

    def including(self, weights: Array, before: Array, after: Array, *, period: int, most: int) -> Self:
        """With those of one more period, of which the latest ``most`` are kept; arrays ``(n, m)``."""
        every = (
            np.concatenate([self.weights, weights]),
            np.concatenate([self.before, before]),
            np.concatenate([self.after, after]),
        )
        w, b, a = (x[-most:] for x in every)
        return type(self)(weights=w, before=b, after=a, period=np.r_[self.period, np.full(len(weights), period)][-most:])


@dataclass(frozen=True, kw_only=True, eq=False)
class Briefing:
    """What is known beside the members' weights and values.

    The members' utility of a value ``v`` is ``s(v / scale, w, ideal_point / scale)``.
    """

    changes: Changes
    """What training did, as far back as the rule wants to remember."""
    ideal_point: Array | None = None
    """Of a Chebyshev utility, ``(m,)``, return units; None: the utility is a weighted sum."""
    scale: Array
    """Unit of each objective in the utility, ``(m,)``, return units."""
    attained: Attained | None = None
    """What one network for all weights returns at others; None where members have networks of their own."""

    @classmethod
    def none(cls, num_objectives: int) -> Self:
        """Nothing is known: weighted sums in return units, and nobody was trained yet."""
        return cls(changes=Changes.none(num_objectives), scale=np.ones(num_objectives))


def corner_keepers(weights: Array) -> npt.NDArray[np.bool_]:
    """Of the members that work for one objective only, the first for each ``(n,)``; weights ``(n, m)``."""
    keepers = np.zeros(len(weights), dtype=np.bool_)
    at_corners = np.flatnonzero(weights.max(axis=1) >= 1.0 - RESOLUTION)
    keepers[at_corners[np.unique(weights[at_corners].argmax(axis=1), return_index=True)[1]]] = True
    return keepers


def require_movable(rule: object, num_members: int, num_objectives: int, *, otherwise: str = "") -> None:
    """Raise ConfigurationError where a rule that keeps the corners has nobody else to move.

    Args:
        rule: The rule, for the message.
        num_members: Of the population.
        num_objectives: As many are kept.
        otherwise: What else can be set, as the end of a sentence.
    """
    if num_members <= num_objectives:
        raise ConfigurationError(
            f"{type(rule).__name__} keeps a member at each of the {num_objectives} corners of the simplex and moves others, "
            f"found num_members {num_members}; set num_members to {num_objectives + 1} or more{otherwise}"
        )
