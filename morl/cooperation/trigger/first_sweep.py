"""First sweep: only while each member has its first turn."""

from __future__ import annotations

from dataclasses import dataclass

from morl.cooperation.meeting import Meeting


@dataclass(frozen=True, kw_only=True)
class FirstSweep:
    """During the first ``n`` exchanges of ``n`` members.

    Whoever comes later begins with what a trained predecessor knows, and goes its own way from there.

    Source:
        Felten et al. 2024, transfer in their implementation. Deviations: none.
    """

    def __call__(self, meeting: Meeting, target: int) -> bool:
        """See :class:`morl.cooperation.trigger.Trigger`."""
        del target
        return meeting.exchanges < meeting.num_members
