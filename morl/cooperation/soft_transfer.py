"""Soft transfer: members move a part of the way towards the parameters of relatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from morl.capabilities import MovesParameters
from morl.cooperation.meeting import Meeting
from morl.cooperation.targets import Direction, require_trigger, targets_of
from morl.cooperation.trigger import Periodic, Trigger
from morl.fields import CheckedFields, Share
from morl.protocols import Payload, Solver
from morl.registry import component_field


@dataclass(frozen=True, kw_only=True)
class SoftTransfer(CheckedFields):
    r"""Move the neighbours of the member whose turn it is towards its parameters.

    .. math:: \theta_j \leftarrow (1 - \tau)\, \theta_j + \tau\, \theta_i

    The hidden units of two networks that were drawn apart stand for different things, and the average of such strangers for
    nothing. Members are relatives when what is transferred descends from one of them by copies: a transfer, or a member cloned
    from another one when the population changes. A stranger is copied into first, and blended from then on.

    Networks, target networks, temperature and the running moments of observations and returns move alike; the optimisers of
    what was moved start anew; experience stays.

    Source:
        The Polyak average as an exchange (Felten et al. 2024, taxonomy). Deviations: only between relatives.
    """

    tau: Share = 0.1
    """Share of the source: 1 is :class:`~morl.cooperation.HardTransfer`, 0 does nothing at all. Default chosen here."""
    trigger: Trigger = component_field("trigger", default=Periodic())
    """When: periodically, on improvement, or only while each member has its first turn."""
    payload: Payload = "all"
    """What is moved: the policy, or everything the member has learnt."""
    direction: Direction = "both"
    """Into which neighbours: all, or those with a higher index."""
    strangers: Literal["copy", "skip"] = "copy"
    """What happens to a neighbour that is no relative: it becomes a copy of the source, or nothing."""

    requires: ClassVar[type] = MovesParameters

    def __post_init__(self) -> None:
        super().__post_init__()
        require_trigger(self, self.trigger)

    def configure(self, solver: Solver) -> Solver:
        """Nothing to adjust."""
        return solver

    def exchange(self, learner: MovesParameters, meeting: Meeting) -> list[int]:
        """Move; see :class:`morl.cooperation.Cooperation`."""
        if self.tau == 0.0:
            return []
        moved = []
        for target in targets_of(meeting, self.trigger, self.direction):
            if learner.are_related(meeting.source, target, payload=self.payload):
                learner.move(meeting.source, target, tau=self.tau, payload=self.payload)
            elif self.strangers == "copy":
                learner.transfer(meeting.source, target, payload=self.payload)
            else:
                continue
            moved.append(target)
        return moved
