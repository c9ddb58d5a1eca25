"""K nearest: the members whose weights are closest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from morl.errors import ConfigurationError, ShapeError
from morl.fields import CheckedFields, CountOrZero


@dataclass(frozen=True, kw_only=True)
class KNearest(CheckedFields):
    """The ``k`` other members with the nearest weights, by Euclidean distance.

    The relation is not symmetric. Of equally distant members the lower index comes first; a member with the same weights
    is a neighbour at distance zero.

    Source:
        Zhang and Li 2007 (MOEA/D neighbourhood). Deviations: none; the reference implementation of MORL/D leaves out members
        with equal weights and can then answer with the index -1.

    Example:
        >>> KNearest(k=1)(np.array([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]])).tolist()
        [[1], [0], [1]]
    """

    k: CountOrZero = 1
    """Neighbours per member, ``>= 0`` and smaller than the population."""

    def __call__(self, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Find every member's neighbours.

        Args:
            weights: ``(n, m)``.

        Returns:
            Indices ``(n, k)``, nearest first; never the member itself.

        Raises:
            ShapeError: ``weights`` has not two axes.
            ConfigurationError: ``k`` is not smaller than ``n``.
        """
        w = np.asarray(weights, dtype=np.float64)
        if w.ndim != 2:
            raise ShapeError(f"weights has shape {w.shape}; expected (n, m), one row per member")
        n = len(w)
        if self.k >= n:
            raise ConfigurationError(
                f"KNearest: {self.k} neighbours need at least {self.k + 1} members, there are {n}; lower k or add members"
            )
        # Rounding makes distances that are equal on paper equal here, so that ties go to the lowest index.
        squared = ((w[:, None] - w[None]) ** 2).sum(-1).round(12)
        np.fill_diagonal(squared, np.inf)
        order: npt.NDArray[np.int64] = squared.argsort(axis=1, kind="stable").astype(np.int64)
        return order[:, : self.k]
