"""Random: new weights for everybody at every exchange."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from morl.weights.adaptation.briefing import corner_keepers
from morl.weights.adaptation.population import checked

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class RandomWeights:
    r"""Weights drawn uniformly from the simplex, :math:`w \sim Dir(1, \dots, 1)`, for every exchange period.

    The baseline that any rule with an idea has to beat. For weights drawn for every *episode* give one network for all weights
    ``episode_weights: dirichlet``.

    Source:
        Felten et al. 2024, weight adaptation; the baseline of UCB-MOPPO (arXiv 2405.00410). Deviations: a member at each corner
        of the simplex stays (``keep_corners=False``: none does), which keeps the ends of the front.

    Example:
        >>> weights, values = np.array([[1.0, 0.0], [0.5, 0.5]]), np.zeros((2, 2))
        >>> RandomWeights()(weights, values, values, rng=np.random.default_rng(0)).round(2).tolist()
        [[1.0, 0.0], [0.9, 0.1]]
    """

    keep_corners: bool = True
    """Whether, for each objective, one of the members that work for it alone keeps doing so."""

    def __call__(
        self,
        weights: Array,
        values: Array,
        archive_values: Array,
        *,
        gains: Array | None = None,
        rng: np.random.Generator,
    ) -> Array:
        """Draw weights, whatever the values; see :class:`~morl.weights.adaptation.WeightAdaptation`."""
        w, _, _ = checked(weights, values, archive_values)
        drawn = rng.dirichlet(np.ones(w.shape[1]), size=len(w))
        return np.where((corner_keepers(w) & self.keep_corners)[:, None], w, drawn)
