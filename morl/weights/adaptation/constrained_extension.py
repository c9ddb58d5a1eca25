"""Constrained extension: from members in sparse parts of the front, along one objective at a time, the others held."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from morl.errors import CapabilityError, ConfigurationError, ShapeError
from morl.fields import CheckedFields, Count, NonNegative, PositiveShare
from morl.functional.crowding import crowding_distances
from morl.functional.dominance import non_dominated
from morl.scalarizations import Constrained, Scalarization
from morl.weights.adaptation.population import Population

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ConstrainedExtension(CheckedFields):
    r"""C-MORL's second stage: extend the front from where it is sparse, objective by objective.

    Members begin with weighted sums (stage 1). When they stand still, the ``num_select`` members with the largest crowding
    distance among the archive's values are copied once for each objective. The copy for objective ``l`` maximises
    it subject to

    .. math:: v_j \ge v_j^0 - \text{slack} \cdot s_j \quad (j \ne l)

    from the value :math:`v^0` of the member that it copies, in units of the front's ranges :math:`s`; that is
    :class:`~morl.scalarizations.Constrained` with weights :math:`e_l` and these bounds. When the copies stand still, it begins
    again with them. What was found on the way is in the archive.

    Source:
        Liu et al. 2025 (C-MORL), policy extension. Deviations: a slack in units of the front's ranges, where the paper has
        ``0.9 * v``, which for a negative value is above it; extensions start from present members, not from archived policies,
        whose critics nobody kept; a stage ends when nobody gains, not after a given number of updates; members that leave are
        not trained further.

    Example:
        >>> found = ConstrainedExtension(num_select=1)(np.eye(2), np.array([[0.0, 4.0], [4.0, 0.0]]), np.zeros((0, 2)))
        >>> found.weights.tolist(), list(found.parents), found.reference_points.tolist()
        ([[1.0, 0.0], [0.0, 1.0]], [0, 0], [[-0.4, 3.6], [-0.4, 3.6]])
    """

    num_select: Count = 5
    """Members that are extended, at most; each becomes one for every objective. Default of the reference implementation."""
    slack: PositiveShare = 0.1
    """How far a constrained objective may fall, share of its range on the front. C-MORL's ``1 - beta``."""
    standstill: NonNegative = 0.02
    """Members stand still if the median growth of their own utilities between two exchanges is within this, in ranges of the
    front; tuned by us."""

    def check_utility(self, scalarization: Scalarization, normalisation: str) -> None:
        """Refuse utilities that know no bounds, or have other units than the front's ranges; see
        :class:`~morl.weights.adaptation.ChecksUtility`.
        """
        if not isinstance(scalarization, Constrained) or normalisation != "running":
            raise CapabilityError(
                "ConstrainedExtension bounds objectives in units of the front's ranges: set scalarization to constrained and "
                f"normalisation to running, not {type(scalarization).__name__} and {normalisation}"
            )

    def __call__(
        self,
        weights: npt.NDArray[np.float64],
        values: npt.NDArray[np.float64],
        archive_values: npt.NDArray[np.float64],
        *,
        gains: npt.NDArray[np.float64] | None = None,
        rng: np.random.Generator | None = None,
    ) -> npt.NDArray[np.float64] | Population:
        """Extend members that stand still, without chance; see :class:`~morl.weights.adaptation.WeightAdaptation`.

        Raises:
            ConfigurationError: There is one objective.
        """
        w, v, archive = (np.asarray(x, dtype=np.float64) for x in (weights, values, archive_values))
        if w.ndim != 2 or v.shape != w.shape or archive.ndim != 2 or archive.shape[1] != w.shape[1]:
            raise ShapeError(
                f"weights {w.shape}, values {v.shape} and archive_values {archive.shape} disagree; "
                "expected (n, m), (n, m) and (a, m)"
            )
        m = w.shape[1]
        if m < 2:
            raise ConfigurationError("there is one objective, so that no other one can be held; leave weight_adaptation out")
        known = np.concatenate([v, archive])
        front = known[non_dominated(known)]
        span = np.ptp(front, axis=0)
        # Without ranges there are no units, neither of what is gained nor of what may be given up.
        if not (span > 0).all() or (gains is not None and not abs(float(np.median(gains))) <= self.standstill):
            return w.copy()
        own = np.flatnonzero(non_dominated(v))
        # The members come first, so that of equal values it is they who are not duplicates.
        others = front[~(front[:, None] == v[own][None]).all(-1).any(1)]
        alone = crowding_distances(np.concatenate([v[own], others]))[: len(own)]
        chosen = own[np.argsort(-alone, kind="stable")[: self.num_select]]
        parents = np.repeat(chosen, m)
        return Population(
            weights=np.tile(np.eye(m), (len(chosen), 1)),
            parents=parents.tolist(),
            fresh=[True] * len(parents),
            reference_points=v[parents] - self.slack * span,
        )
