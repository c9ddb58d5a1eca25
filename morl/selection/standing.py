"""What is known of a population when it is decided who learns next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from morl.seeding import stream

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Standing:
    """The members at a turn; ``n`` of them, ``m`` objectives."""

    turn: int
    """Number of the turn, ``>= 0``."""
    weights: Array
    """Preferences, ``(n, m)``."""
    values: Array
    """Expected vector returns at the latest evaluation, ``(n, m)``, return units; NaN before the first one."""
    ages: npt.NDArray[np.int64]
    """Exchanges since each became an individual of its own, ``(n,)``."""
    gains: Array
    """Growth of each one's own utility between the latest two evaluations, ``(n,)``; NaN for one that had none before."""
    growth: Array
    """Hypervolume that each one's training added lately, per environment step of its own, ``(n,)``
    (:func:`morl.selection.growth.hypervolume_growth`, averaged over its turns, the last one counting half); NaN for one that
    was not measured yet, and for everybody unless the rule has ``uses_growth``."""
    waiting: npt.NDArray[np.int64]
    """Turns that went by without each since its last one, or since it became an individual of its own, ``(n,)``."""
    seed: int
    """Of the run."""

    @property
    def num_members(self) -> int:
        """``n``."""
        return len(self.weights)

    @property
    def rng(self) -> np.random.Generator:
        """Source of chance at this turn; the same numbers whenever it is asked for."""
        return stream(self.seed, "selection", 0, self.turn)

    def best_first(self, score: Array) -> list[int]:
        """Members in the order of a score.

        Args:
            score: ``(n,)``, larger is better; NaN, which nobody knows, is best of all.

        Returns:
            All members. Of equal ones that come first who have waited longer, then those of lower index.
        """
        known = np.where(np.isnan(score), np.inf, score)
        order: list[int] = np.lexsort((-self.waiting, -known)).tolist()
        return order
