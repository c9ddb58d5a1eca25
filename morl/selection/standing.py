"""What is known of a population when it is decided who learns next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Standing:
    """The members at a turn; ``n`` of them, ``m`` objectives."""

    turn: int
    """Number of the turn, ``>= 0``."""
    weights: Array
    """Preferences, ``(n, m)``."""
    values: Array
    """Expected vector returns at the latest evaluation, ``(n, m)``, return units."""
    ages: npt.NDArray[np.int64]
    """Exchanges since each became an individual of its own, ``(n,)``."""
    gains: Array
    """Growth of each one's own utility between the latest two evaluations, ``(n,)``; NaN for one that had none before."""

    @property
    def num_members(self) -> int:
        """``n``."""
        return len(self.weights)
