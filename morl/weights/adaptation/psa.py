"""PSA: push each member away from its nearest neighbour on the front."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt

from morl.errors import ShapeError
from morl.fields import CheckedFields, NonNegative, Positive, Range


@dataclass(frozen=True, kw_only=True)
class PSA(CheckedFields):
    r"""Pareto simulated annealing: strengthen what a member does better than its nearest neighbour on the front.

    With :math:`a` the archive value nearest to the member's value :math:`v` (among those farther than ``min_distance``):

    .. math::
        w_j \leftarrow w_j (1 + \delta) \text{ if } v_j \ge a_j \text{ else } w_j / (1 + \delta), \qquad
        w \leftarrow w / \lVert w \rVert_1

    Zeros stay zero, so corner weights never move. A member with no archive value far enough away keeps its weights.

    Source:
        Czyzak and Jaszkiewicz 1998; Felten et al. 2024. Deviations: distances are measured in units of the archive's range
        (``normalise=False`` measures raw returns), and a positive weight does not fall below about ``min_weight``, which keeps
        it able to come back. ``PSA(normalise=False, min_weight=0.0)`` is the rule as published.

    Example:
        >>> PSA()(np.array([[0.5, 0.5]]), np.array([[2.0, 1.0]]), np.array([[1.0, 2.0]])).round(5).tolist()
        [[0.54751, 0.45249]]
    """

    delta: Positive = 0.1
    """Relative change of a weight per call, unitless, ``> 0``. Default of the reference implementation."""
    min_distance: NonNegative = 0.01
    """Squared distance an archive value must exceed to count as a neighbour, ``>= 0``; unitless if ``normalise``, else in
    squared return units. Default of the reference implementation (in return units)."""
    normalise: bool = True
    """Measure distances in units of the archive's range per objective, so that no objective's scale decides."""
    min_weight: Annotated[float, Range(ge=0.0, lt=0.5)] = 1e-3
    """Least weight of an objective whose weight is positive, in ``[0, 0.5)``; kept up to a factor
    ``1 + m * min_weight``."""

    def __call__(
        self,
        weights: npt.NDArray[np.float64],
        values: npt.NDArray[np.float64],
        archive_values: npt.NDArray[np.float64],
        *,
        gains: npt.NDArray[np.float64] | None = None,
        rng: np.random.Generator | None = None,
    ) -> npt.NDArray[np.float64]:
        """Move the weights, without chance, whatever the gains; see :class:`~morl.weights.adaptation.WeightAdaptation`."""
        w, v, archive = (np.asarray(x, dtype=np.float64) for x in (weights, values, archive_values))
        if w.ndim != 2 or v.shape != w.shape or archive.ndim != 2 or archive.shape[1] != w.shape[1]:
            raise ShapeError(
                f"weights {w.shape}, values {v.shape} and archive_values {archive.shape} disagree; "
                "expected (n, m), (n, m) and (a, m)"
            )
        if not len(archive):
            return w.copy()
        unit = np.ones(w.shape[1])
        if self.normalise:
            span = np.ptp(archive, axis=0)
            unit = np.where(span > 0, span, 1.0)
        squared = (((v[:, None] - archive[None]) / unit) ** 2).sum(-1)
        squared = np.where(squared > self.min_distance, squared, np.inf)
        nearest = archive[squared.argmin(axis=1)]
        moved = np.where(v >= nearest, w * (1 + self.delta), w / (1 + self.delta))
        moved /= moved.sum(axis=1, keepdims=True)
        moved = np.where(w > 0, moved.clip(self.min_weight), 0.0)
        moved /= moved.sum(axis=1, keepdims=True)
        return np.where(np.isfinite(squared).any(axis=1, keepdims=True), moved, w)
