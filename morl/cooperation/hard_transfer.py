"""Hard transfer: a trained member's parameters overwrite those of its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from morl.capabilities import SharesParameters
from morl.cooperation.meeting import Meeting
from morl.cooperation.targets import Direction, require_trigger, targets_of
from morl.cooperation.trigger import FirstSweep, Trigger
from morl.fields import CheckedFields
from morl.protocols import Payload, Solver
from morl.registry import component_field


@dataclass(frozen=True, kw_only=True)
class HardTransfer(CheckedFields):
    """Copy the parameters of the member whose turn it is into its neighbours with a higher index.

    During the first sweep that gives each member a start from its trained predecessor instead of from scratch; further triggers
    and directions are there for a choice.

    Source:
        Felten et al. 2024, cooperation by parameter transfer. Deviations: none with ``payload="actor"``; ``"all"`` also
        copies critics and temperature.
    """

    trigger: Trigger = component_field("trigger", default=FirstSweep())
    """When: only while each member has its first turn, periodically, or on improvement."""
    payload: Payload = "actor"
    """What is copied: the policy, or everything the member has learnt."""
    direction: Direction = "forward"
    """Into which neighbours: those with a higher index, as published, or all."""

    requires: ClassVar[type] = SharesParameters

    def __post_init__(self) -> None:
        super().__post_init__()
        require_trigger(self, self.trigger)

    def configure(self, solver: Solver) -> Solver:
        """Nothing to adjust."""
        return solver

    def exchange(self, learner: SharesParameters, meeting: Meeting) -> list[int]:
        """Copy; see :class:`morl.cooperation.Cooperation`."""
        targets = targets_of(meeting, self.trigger, self.direction)
        for target in targets:
            learner.transfer(meeting.source, target, payload=self.payload)
        return targets
