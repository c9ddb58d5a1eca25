"""Probabilistic action: now and then the adversary acts instead of the agent."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from envs.parametric.wrappers.adversarial import ActionAdversary
from envs.protocols import Rows


class ProbabilisticAction(ActionAdversary):
    r"""With probability :math:`\alpha` the adversary's action is done instead of the agent's (the PR-MDP).

    Source:
        Tessler, Efroni, Mannor 2019 (arXiv 1901.09184), definition 1. Deviations: none.
    """

    def _disturb(self, rows: Rows, actions: npt.NDArray[Any], adversary_actions: Floats) -> npt.NDArray[Any]:
        taken_over = self._uniforms(rows, 1) < self._alpha
        return np.where(taken_over, adversary_actions, actions)
