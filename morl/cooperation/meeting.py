"""What mechanisms of cooperation are told at an exchange."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Meeting:
    """One of ``n`` members, whose turn it was, meets its neighbours."""

    source: int
    """Member whose turn it was."""
    exchanges: int
    """Number of exchanges before this one."""
    neighbours: npt.NDArray[np.int64]
    """Neighbours of every member, ``(n, k)``, nearest first."""
    utilities: Array
    """What each member's value is worth to itself, at the latest evaluation, ``(n,)``."""
    offered: Array
    """What the source's value is worth to each member, by that member's own utility, ``(n,)``."""
    passed: float
    """What the source's value was worth to itself when it last passed something on in this way; NaN if it never did."""

    @property
    def num_members(self) -> int:
        """``n``."""
        return len(self.neighbours)
