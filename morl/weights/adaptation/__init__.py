"""Weight adaptation: move the members' preferences while they learn, one rule per file."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from morl.weights.adaptation.population import Population
from morl.weights.adaptation.psa import PSA


@runtime_checkable
class WeightAdaptation(Protocol):
    """A pure rule that says what the next population works on; implementations are frozen dataclasses."""

    def __call__(
        self,
        weights: npt.NDArray[np.float64],
        values: npt.NDArray[np.float64],
        archive_values: npt.NDArray[np.float64],
        *,
        gains: npt.NDArray[np.float64],
        rng: np.random.Generator,
    ) -> npt.NDArray[np.float64] | Population:
        """Move the weights, and perhaps the members.

        Args:
            weights: Current weights, ``(n, m)``, rows on the simplex; not changed.
            values: Latest expected vector return of each member, ``(n, m)``.
            archive_values: The archive's front, ``(a, m)``; ``a`` may be zero.
            gains: Growth of each member's own utility between the latest two evaluations, ``(n,)``; NaN where there were none.
            rng: Source of randomness of the rules that draw.

        Returns:
            New weights of the same members, ``(n, m)``, rows on the simplex; or another population.

        Raises:
            ShapeError: The shapes disagree.
        """
        ...


__all__ = ["PSA", "Population", "WeightAdaptation"]
