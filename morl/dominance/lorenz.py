"""Lorenz dominance: of returns that give as much in all, those that share it more equally."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from morl.dominance.units import in_units
from morl.errors import ConfigurationError
from morl.fields import CheckedFields, Number, Share
from morl.functional.dominance import non_dominated
from morl.functional.lorenz import lorenz_vectors

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Lorenz(CheckedFields):
    """Keep the trade-offs that are fair: objectives are the shares of equals, and none of them matters more.

    That needs one unit for all. Objectives are measured in shares of their range: of the returns seen so far, or from ``low``
    to ``high``. Where they are in one unit anyway (the waiting times of several queues), give the same numbers for each.

    Source:
        Lorenz conditioned networks, JAIR 85 (2026), and lambda-LCN. Deviation: in the published code commands are chosen by
        plain Lorenz dominance whatever ``sorted_share`` is; here everything goes by the same rule.

    Example:
        >>> returns = np.array([[0.0, 4.0], [2.0, 2.0], [1.0, 2.5]])
        >>> Lorenz(low=(0.0, 0.0), high=(4.0, 4.0))(returns, returns.min(0), returns.max(0)).tolist()
        [False, True, False]
    """

    sorted_share: Share = 0.0
    """Of the sorted returns in what is compared (lambda): 0 for Lorenz vectors, 1 for sorted returns, under which more unequal
    trade-offs stay, too."""
    low: tuple[Number, ...] | None = None
    """Return of each objective that counts as 0, return units; None for the worst seen."""
    high: tuple[Number, ...] | None = None
    """Return of each objective that counts as 1, return units; None for the best seen."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.low is None) != (self.high is None):
            raise ConfigurationError("Lorenz needs both low and high, or neither (then the range seen is the unit)")
        if self.low is not None and self.high is not None:
            if len(self.low) != len(self.high):
                raise ConfigurationError(f"Lorenz.low has {len(self.low)} numbers but Lorenz.high has {len(self.high)}")
            if any(high <= low for low, high in zip(self.low, self.high, strict=True)):
                raise ConfigurationError(f"Lorenz.high must be above Lorenz.low, found {self.high} and {self.low}")

    def check_objectives(self, num_objectives: int) -> None:
        """Refuse bounds of another number of objectives; see :class:`~morl.dominance.Dominance`."""
        if self.low is not None and len(self.low) != num_objectives:
            raise ConfigurationError(
                f"Lorenz.low has {len(self.low)} numbers but there are {num_objectives} objectives; give one for each"
            )

    def __call__(self, returns: Array, low: Array, high: Array) -> npt.NDArray[np.bool_]:
        """Mark what no other return Lorenz-dominates; see :class:`~morl.dominance.Dominance`."""
        given = (low, high) if self.low is None else (np.array(self.low), np.array(self.high))
        scaled = in_units(returns, *given)
        # Returns that are shared alike, but by others, are equals: all of them stay, each once.
        _, first = np.unique(scaled, axis=0, return_index=True)
        vectors, equals = np.unique(
            np.round(lorenz_vectors(scaled[first], sorted_share=self.sorted_share), 9), axis=0, return_inverse=True
        )
        best = np.zeros(len(returns), dtype=np.bool_)
        best[first[non_dominated(vectors)[equals.reshape(-1)]]] = True
        return best
