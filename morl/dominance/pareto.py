"""Pareto dominance: at least as good in every objective, better in one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from morl.dominance.units import in_units
from morl.fields import CheckedFields
from morl.functional.dominance import non_dominated

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Pareto(CheckedFields):
    """Keep every trade-off.

    Example:
        >>> returns = np.array([[0.0, 3.0], [2.0, 2.0], [1.0, 1.0]])
        >>> Pareto()(returns, returns.min(0), returns.max(0)).tolist()
        [True, True, False]
    """

    def check_objectives(self, num_objectives: int) -> None:
        """Any number will do; see :class:`~morl.dominance.Dominance`."""

    def __call__(self, returns: Array, low: Array, high: Array) -> npt.NDArray[np.bool_]:
        """Mark the Pareto front; see :class:`~morl.dominance.Dominance`."""
        return non_dominated(in_units(returns, low, high))
