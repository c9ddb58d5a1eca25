"""Weight adaptation: move the members' preferences while they learn, one rule per file."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from morl.weights.adaptation.psa import PSA


@runtime_checkable
class WeightAdaptation(Protocol):
    """A pure rule that gives every member its next weight vector; implementations are frozen dataclasses."""

    def __call__(
        self,
        weights: npt.NDArray[np.float64],
        values: npt.NDArray[np.float64],
        archive_values: npt.NDArray[np.float64],
        *,
        rng: np.random.Generator,
    ) -> npt.NDArray[np.float64]:
        """Move the weights.

        Args:
            weights: Current weights, ``(n, m)``, rows on the simplex; not changed.
            values: Latest expected vector return of each member, ``(n, m)``.
            archive_values: The archive's front, ``(a, m)``; ``a`` may be zero.
            rng: Source of randomness of the rules that draw.

        Returns:
            New weights, ``(n, m)``, rows on the simplex.

        Raises:
            ShapeError: The shapes disagree.
        """
        ...


__all__ = ["PSA", "WeightAdaptation"]
