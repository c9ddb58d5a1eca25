"""Constrained extension: from members in sparse parts of the front, along one objective at a time, the others held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from morl.errors import CapabilityError, ConfigurationError
from morl.fields import CheckedFields, Count, PositiveShare
from morl.functional.crowding import crowding_distances
from morl.functional.dominance import non_dominated
from morl.scalarizations import Constrained, Scalarization
from morl.weights.adaptation.population import Memory, Population, checked

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ConstrainedExtension(CheckedFields):
    r"""C-MORL's second stage: extend the front from where it is sparse, objective by objective.

    Members begin with weighted sums, for ``warm_up`` exchange periods. Then, and after every ``period`` further ones, the
    ``num_select`` members with the largest crowding distance among the archive's values are copied once for each objective. The
    copy for objective ``l`` maximises it subject to

    .. math:: v_j \ge v_j^0 - \text{slack} \cdot s_j \quad (j \ne l)

    from the value :math:`v^0` of the member that it copies, in units of the front's ranges :math:`s`; that is
    :class:`~morl.scalarizations.Constrained` with weights :math:`e_l` and these bounds. The next extension begins with what the
    copies have become. What was found on the way is in the archive.

    Source:
        Liu et al. 2025 (C-MORL), policy extension. Deviations: a slack in units of the front's ranges, where the paper has
        ``0.9 * v``, which for a negative value is above it; extensions start from present members, not from archived policies,
        whose critics nobody kept, and who is extended is replaced by the copies, so that nobody is twice.

    Example:
        >>> rule = ConstrainedExtension(num_select=1, warm_up=1)
        >>> found = rule(np.eye(2), np.array([[0.0, 4.0], [4.0, 0.0]]), np.zeros((0, 2)))
        >>> found.weights.tolist(), list(found.parents), found.reference_points.tolist()
        ([[1.0, 0.0], [0.0, 1.0]], [0, 0], [[-0.4, 3.6], [-0.4, 3.6]])
    """

    num_select: Count = 5
    """Members that are extended, at most; each becomes one for every objective. Default of the reference implementation."""
    slack: PositiveShare = 0.1
    """How far a constrained objective may fall, share of its range on the front. C-MORL's ``1 - beta``."""
    warm_up: Count = 10
    """Exchange periods of weighted sums before the first extension. Of C-MORL's budget they are two thirds."""
    period: Count = 1
    """Exchange periods of an extension."""

    remembers: ClassVar[bool] = True

    def check_utility(self, scalarization: Scalarization, normalisation: str) -> None:
        """Refuse utilities that know no bounds, or have other units than the front's ranges; see
        :class:`~morl.scalarizations.ChecksUtility`.
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
        trained: Sequence[int] | None = None,
        memory: Memory | None = None,
    ) -> Population:
        """Extend members when it is time, without chance; see :class:`~morl.weights.adaptation.Remembers`.

        Raises:
            ConfigurationError: There is one objective.
        """
        w, v, archive = checked(weights, values, archive_values)
        m = w.shape[1]
        if m < 2:
            raise ConfigurationError("there is one objective, so that no other one can be held; leave weight_adaptation out")
        known = np.concatenate([v, archive])
        front = known[non_dominated(known)]
        span = np.ptp(front, axis=0)
        left = (self.warm_up if memory is None else int(memory["periods"][0])) - 1
        # Without ranges there is no unit for what may be given up: one goes on until there are some.
        if left > 0 or not (span > 0).all():
            kept = {"periods": np.array([float(max(left, 1))])}
            return Population(weights=w.copy(), parents=range(len(w)), fresh=[False] * len(w), memory=kept)
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
            memory={"periods": np.array([float(self.period)])},
        )
