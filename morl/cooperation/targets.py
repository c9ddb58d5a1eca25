"""Whom a transfer reaches."""

from __future__ import annotations

from typing import Literal, TypeAlias

from morl.cooperation.meeting import Meeting
from morl.cooperation.trigger import Trigger
from morl.errors import ConfigurationError, shown

Direction: TypeAlias = Literal["forward", "both"]
"""Which neighbours a transfer reaches: those with a higher index than the source, or all."""


def targets_of(meeting: Meeting, trigger: Trigger, direction: Direction) -> list[int]:
    """Members that a transfer reaches, nearest first."""
    source = meeting.source
    return [
        target
        for target in meeting.neighbours[source].tolist()
        if (direction == "both" or target > source) and trigger(meeting, target)
    ]


def require_trigger(mechanism: object, trigger: object) -> None:
    """Raise ConfigurationError unless a mechanism's trigger is one."""
    if not isinstance(trigger, Trigger):
        raise ConfigurationError(
            f"{type(mechanism).__name__}.trigger must be a trigger such as Periodic(), found {shown(trigger)}"
        )
