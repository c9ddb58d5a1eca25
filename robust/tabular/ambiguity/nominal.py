"""The nominal model alone: no ambiguity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from robust.tabular.ambiguity.base import Array, Index, expectation


@dataclass(frozen=True)
class Nominal:
    """The set that holds only the nominal distributions: robust planning becomes ordinary planning."""

    rectangularity: ClassVar[Literal["sa"]] = "sa"

    def check(self, transitions: Array) -> None:
        """Accept every nominal distribution."""

    def at(self, index: Index) -> Nominal:
        """Return itself: the set is the same for every pair."""
        return self

    def worst_value(self, outcomes: Array, nominal: Array) -> Array:
        """Return the expected outcome of each pair."""
        return expectation(nominal, outcomes)

    def worst_distribution(self, outcomes: Array, nominal: Array) -> Array:
        """Return the nominal distributions."""
        return nominal
