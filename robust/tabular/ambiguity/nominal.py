"""The nominal model alone: no ambiguity."""

from __future__ import annotations

from dataclasses import dataclass

from robust.tabular.ambiguity.base import Array, PairByPair


@dataclass(frozen=True)
class Nominal(PairByPair):
    """The set that holds only the nominal distributions: robust planning becomes ordinary planning."""

    def worst_distribution(self, outcomes: Array, nominal: Array) -> Array:
        return nominal
