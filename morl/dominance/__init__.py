"""Which of several returns are worth asking for, one rule per file."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from morl.dominance.lorenz import Lorenz
from morl.dominance.pareto import Pareto


@runtime_checkable
class Dominance(Protocol):
    """A rule that marks the best of a set of returns; a frozen dataclass."""

    def check_objectives(self, num_objectives: int) -> None:
        """Refuse settings that do not fit ``m`` objectives.

        Raises:
            ConfigurationError: Says which.
        """
        ...

    def __call__(
        self, returns: npt.NDArray[np.float64], low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.bool_]:
        """Mark the returns that no other one dominates.

        Args:
            returns: ``(p, m)``, return units; not changed.
            low: Worst return of each objective that was seen so far, ``(m,)``.
            high: Best, ``(m,)``.

        Returns:
            ``(p,)``: none of them is dominated, in Pareto's sense neither, and of equal returns the first is marked.
        """
        ...


__all__ = ["Dominance", "Lorenz", "Pareto"]
