"""Triggers: when members pass something on, one rule per file."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from morl.cooperation.meeting import Meeting
from morl.cooperation.trigger.first_sweep import FirstSweep
from morl.cooperation.trigger.on_improvement import OnImprovement
from morl.cooperation.trigger.periodic import Periodic


@runtime_checkable
class Trigger(Protocol):
    """A pure function that says whether one member passes on to another; implementations are frozen dataclasses."""

    def __call__(self, meeting: Meeting, target: int) -> bool:
        """Decide.

        Args:
            meeting: The source, and what is known of the population.
            target: A neighbour of the source.
        """
        ...


__all__ = ["FirstSweep", "OnImprovement", "Periodic", "Trigger"]
