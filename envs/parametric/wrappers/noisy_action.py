"""Noisy action: part of every action is the adversary's."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.parametric.wrappers.adversarial import Adversarial, Adversary
from envs.parametric.wrappers.base import box_of
from envs.protocols import BatchedEnv, Rows


class NoisyAction(Adversarial):
    r"""What is done is :math:`(1 - \alpha)\, a + \alpha\, a_{\text{adversary}}` (the NR-MDP).

    Source:
        Tessler, Efroni, Mannor 2019 (arXiv 1901.09184), definition 2. Deviations: none. The suite RRLS calls this the
        probabilistic variant.
    """

    def __init__(self, env: BatchedEnv, *, alpha: float = 0.15, adversary: Adversary | None = None) -> None:
        """Let in the adversary.

        Args:
            env: With a bounded box of actions ``(a,)``.
            alpha: The adversary's share, in [0, 1].
            adversary: Chooses its actions ``(r, a)`` by observations, in the units of the action space; None if they are part
                of the action, see :class:`envs.parametric.wrappers.adversarial.Adversarial`.

        Raises:
            ValueError: The actions are no bounded box, or ``alpha`` is out of range.
        """
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha is {alpha}; expected a number in [0, 1]")
        space = box_of(env, type(self).__name__)
        super().__init__(env, space.low.astype(np.float64), space.high.astype(np.float64), adversary)
        self._alpha = alpha

    def _disturb(self, rows: Rows, actions: npt.NDArray[Any], adversary_actions: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
        return (1.0 - self._alpha) * actions + self._alpha * adversary_actions
