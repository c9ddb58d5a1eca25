"""Crossover: a neighbour becomes a child of itself and the member whose turn it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from morl.capabilities import CrossesParameters
from morl.cooperation.meeting import Meeting
from morl.cooperation.targets import Direction, require_trigger, targets_of
from morl.cooperation.trigger import OnImprovement, Trigger
from morl.fields import CheckedFields, CountOrZero
from morl.protocols import Solver
from morl.registry import component_field


@dataclass(frozen=True, kw_only=True)
class Crossover(CheckedFields):
    """Replace neighbours of the member whose turn it is by children of both.

    Each hidden unit of the child's policy comes from one parent or the other, by equal chance. Such a network acts like
    neither: units of two networks do not fit together. So it imitates both before it goes on, the source on what the source
    has seen and the target on what the target has seen.

    The child takes the target's place: its weights, experience, environments, critics and temperature.

    Source:
        Felten et al. 2024, taxonomy (exchange of parameters by crossover, as in neuro-evolution); imitation of both parents as
        in Bodnar, Day and Liò, "Proximal Distilled Evolutionary Reinforcement Learning", AAAI 2020. Deviations: the child has
        the target's weights, not weights halfway, which belong to weight adaptation; each parent teaches where it has been,
        instead of where a critic says that it acts better.
    """

    clone_steps: CountOrZero = 300
    """Gradient steps of imitation, with a batch of the solver's size from each parent; 0 leaves the child broken. Default
    chosen here."""
    trigger: Trigger = component_field("trigger", default=OnImprovement())
    """When: on improvement, periodically, or only while each member has its first turn."""
    direction: Direction = "both"
    """Which neighbours: all, or those with a higher index."""

    requires: ClassVar[type] = CrossesParameters

    def __post_init__(self) -> None:
        super().__post_init__()
        require_trigger(self, self.trigger)

    def configure(self, solver: Solver) -> Solver:
        """Nothing to adjust."""
        return solver

    def exchange(self, learner: CrossesParameters, meeting: Meeting) -> list[int]:
        """Cross; see :class:`morl.cooperation.Cooperation`."""
        return [
            target
            for target in targets_of(meeting, self.trigger, self.direction)
            if learner.cross(meeting.source, target, occasion=meeting.exchanges, clone_steps=self.clone_steps)
        ]
