"""Roulette: a member drawn in proportion to its success."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from morl.fields import CheckedFields, Positive
from morl.selection.floor import with_floor
from morl.selection.standing import Standing


@dataclass(frozen=True, kw_only=True)
class Roulette(CheckedFields):
    r"""One member, drawn by the rank of what its training lately added to the hypervolume.

    .. math:: p_i \propto \exp\left(-\frac{r_i}{(n - 1)\, T}\right)

    with rank :math:`r_i` from 0 (added most) to :math:`n - 1`; equal ones share the mean of their ranks, and who was not
    measured yet ranks first. The best member is :math:`e^{1/T}` times as likely as the worst one.

    Source:
        Felten et al. 2024, selection "roulette". Deviations: ranks instead of fitness, which may be negative; the floor
        (:func:`morl.selection.floor.with_floor`).
    """

    temperature: Positive = 0.5
    """:math:`T`; large is uniform, small is greedy. Default chosen here: the best 7.4 times as likely as the worst."""

    uses_growth: ClassVar[bool] = True

    def probabilities(self, standing: Standing) -> npt.NDArray[np.float64]:
        """How likely each member is, ``(n,)``, where the floor does not decide."""
        known = np.where(np.isnan(standing.growth), np.inf, standing.growth)
        _, group, sizes = np.unique(-known, return_inverse=True, return_counts=True)
        ranks = (sizes.cumsum() - (sizes + 1) / 2)[group]
        odds = np.exp(-ranks / (max(len(known) - 1, 1) * self.temperature))
        share: npt.NDArray[np.float64] = odds / odds.sum()
        return share

    def __call__(self, standing: Standing) -> list[int]:
        """Draw; see :class:`morl.selection.Selection`."""
        drawn = standing.rng.choice(standing.num_members, p=self.probabilities(standing))
        return with_floor([int(drawn)], standing)
