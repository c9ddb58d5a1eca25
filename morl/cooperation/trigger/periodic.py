"""Periodic: at every exchange, or every so many."""

from __future__ import annotations

from dataclasses import dataclass

from morl.cooperation.meeting import Meeting
from morl.fields import CheckedFields, Count


@dataclass(frozen=True, kw_only=True)
class Periodic(CheckedFields):
    """At every ``every``-th exchange.

    In turns, a period that shares a factor with the number of members lets some members never pass anything on.

    Source:
        Felten et al. 2024, exchange trigger "periodic". Deviations: none.
    """

    every: Count = 1
    """Exchanges per period: 1 is at every exchange, ``k`` at the ``k``-th, the ``2k``-th and so on."""

    def __call__(self, meeting: Meeting, target: int) -> bool:
        """See :class:`morl.cooperation.trigger.Trigger`."""
        del target
        return (meeting.exchanges + 1) % self.every == 0
