"""Probabilistic action: now and then the adversary acts instead of the agent."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.parametric.wrappers.adversarial import Adversarial, Adversary
from envs.parametric.wrappers.base import box_of
from envs.protocols import BatchedEnv, Rows


class ProbabilisticAction(Adversarial):
    r"""With probability :math:`\alpha` the adversary's action is done instead of the agent's (the PR-MDP).

    Source:
        Tessler, Efroni, Mannor 2019 (arXiv 1901.09184), definition 1. Deviations: none.
    """

    def __init__(self, env: BatchedEnv, *, alpha: float = 0.15, adversary: Adversary | None = None) -> None:
        """Let in the adversary.

        Args:
            env: With a bounded box of actions ``(a,)``.
            alpha: Probability that the adversary acts, in [0, 1].
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
        taken_over = self._uniforms(rows, 1) < self._alpha
        return np.where(taken_over, adversary_actions, actions)
