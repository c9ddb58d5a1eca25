"""Pareto archive: every policy no other one dominates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from morl.archives.archive import Archive
from morl.functional.dominance import non_dominated


@dataclass(kw_only=True, eq=False)
class ParetoArchive(Archive):
    """All non-dominated policies, without bound.

    The stored values never depend on the order of insertion. A policy that was evaluated luckily stays for ever: values
    are the best seen, so re-evaluate the final archive with fresh seeds before quoting them.

    Example:
        >>> archive = ParetoArchive()
        >>> archive.keep(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.5]])).tolist()
        [True, True, False]
    """

    def keep(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Mark the Pareto front of ``values`` ``(p, m)``."""
        return non_dominated(values)
