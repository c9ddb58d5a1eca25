"""Noisy action: part of every action is the adversary's."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from envs.arrays import Floats
from envs.parametric.wrappers.adversarial import ActionAdversary
from envs.protocols import Rows


class NoisyAction(ActionAdversary):
    r"""What is done is :math:`(1 - \alpha)\, a + \alpha\, a_{\text{adversary}}` (the NR-MDP).

    Source:
        Tessler, Efroni, Mannor 2019 (arXiv 1901.09184), definition 2. Deviations: none. The suite RRLS calls this the
        probabilistic variant.
    """

    def _disturb(self, rows: Rows, actions: npt.NDArray[Any], adversary_actions: Floats) -> npt.NDArray[Any]:
        return (1.0 - self._alpha) * actions + self._alpha * adversary_actions
