"""On improvement: when what is passed on is better than what was known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from morl.cooperation.meeting import Meeting
from morl.fields import CheckedFields


@dataclass(frozen=True, kw_only=True)
class OnImprovement(CheckedFields):
    """When the target would gain, by its own utility, as the latest evaluation tells; or when the source has gained.

    Evaluations of few episodes are noisy: a target that is as good as the source is overwritten in every other case.

    Source:
        Felten et al. 2024, exchange trigger "event-based". Deviations: the events.
    """

    of: Literal["target", "source"] = "target"
    """``target``: the source's value must be worth more to the target than its own. ``source``: the source's value must be
    worth more to the source than when it last passed something on; the first time always."""

    def __call__(self, meeting: Meeting, target: int) -> bool:
        """See :class:`morl.cooperation.trigger.Trigger`."""
        if self.of == "target":
            return bool(meeting.offered[target] > meeting.utilities[target])
        return bool(np.isnan(meeting.passed) or meeting.utilities[meeting.source] > meeting.passed)
