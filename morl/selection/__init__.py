"""Selection: whose turn it is to learn, one rule per file."""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

from morl.selection.crowding import Crowding
from morl.selection.elitist import Elitist
from morl.selection.linear_support_priority import LinearSupportPriority
from morl.selection.random import Random
from morl.selection.roulette import Roulette
from morl.selection.round_robin import RoundRobin
from morl.selection.standing import Standing
from morl.selection.tournament import Tournament


@runtime_checkable
class Selection(Protocol):
    """A pure function from the standing of a population to the members that learn; implementations are frozen dataclasses.

    Chance comes from :attr:`Standing.rng`, so that a run repeats and resumes exactly. Nobody may starve: every member has a
    turn in ``3n`` turns, which :func:`morl.selection.floor.with_floor` sees to.
    """

    def __call__(self, standing: Standing) -> list[int]:
        """Choose members.

        Args:
            standing: What is known of them.

        Returns:
            Indices of the members that learn, at least one, without repetition.
        """
        ...


@runtime_checkable
class UsesGrowth(Protocol):
    """A rule that wants to know what the members' training adds to the hypervolume, which costs a moment per exchange."""

    uses_growth: ClassVar[bool]
    """Whether it does."""


__all__ = [
    "Crowding",
    "Elitist",
    "LinearSupportPriority",
    "Random",
    "Roulette",
    "RoundRobin",
    "Selection",
    "Standing",
    "Tournament",
    "UsesGrowth",
]
