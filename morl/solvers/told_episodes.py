"""A wrapper around a learner that tells of training episodes tells of the inner one's."""

from __future__ import annotations

from morl.capabilities import TellsEpisodes
from morl.errors import CapabilityError
from morl.protocols import EpisodeListener, Learner


class TellsOfInner:
    """Mixin of wrapping learners whose inner learner stays the same."""

    inner: Learner

    def tell(self, listener: EpisodeListener) -> None:
        """See :class:`morl.capabilities.TellsEpisodes`."""
        if not isinstance(self.inner, TellsEpisodes):
            raise CapabilityError(
                f"record: {type(self.inner).__name__} has no training episodes of its own to record; set record: false"
            )
        self.inner.tell(listener)
