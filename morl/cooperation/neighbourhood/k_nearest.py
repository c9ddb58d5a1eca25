"""K nearest: the members that are closest, by their weights, values or parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from morl.cooperation.neighbourhood.positions import Measure, checked_positions, nearest_first
from morl.errors import ConfigurationError
from morl.fields import CheckedFields, CountOrZero


@dataclass(frozen=True, kw_only=True)
class KNearest(CheckedFields):
    """The ``k`` nearest other members, by the Euclidean distance of their weights, values or parameters.

    The relation is not symmetric. Of equally distant members the lower index comes first; a member at the same place is a
    neighbour at distance zero.

    Source:
        Zhang and Li 2007 (MOEA/D neighbourhood). Deviations: none; the reference implementation of MORL/D leaves out members
        with equal weights and can then answer with the index -1.

    Example:
        >>> KNearest(k=1)(np.array([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]])).tolist()
        [[1], [0], [1]]
    """

    k: CountOrZero = 1
    """Neighbours per member, ``>= 0`` and smaller than the population."""

    by: Measure = "weights"
    """What is near: members with like weights, values or parameters."""

    def __call__(self, positions: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Find every member's neighbours.

        Args:
            positions: ``(n, d)``.

        Returns:
            Indices ``(n, k)``, nearest first; never the member itself.

        Raises:
            ShapeError: ``positions`` has not two axes.
            ConfigurationError: ``k`` is not smaller than ``n``.
        """
        found = checked_positions(positions)
        if self.k >= (n := len(found)):
            raise ConfigurationError(
                f"KNearest: {self.k} neighbours need at least {self.k + 1} members, there are {n}; lower k or add members"
            )
        return nearest_first(found)[:, : self.k]
