"""Dynamic adversary: the transition model is chosen anew at every step."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from envs.parametric.wrappers.adversarial import Adversarial, Adversary
from envs.parametric.wrappers.base import parametric_space
from envs.protocols import BatchedEnv, Rows


class DynamicAdversary(Adversarial):
    """An adversary sets all parameters before every step.

    Its actions lie in [-1, 1]: the ends of the environment's own range of each parameter. What it set last is forgotten by a
    reset.
    """

    draws_params = True

    def __init__(self, env: BatchedEnv, *, adversary: Adversary | None = None) -> None:
        """Let in the adversary.

        Args:
            env: With settable dynamics.
            adversary: Chooses its actions ``(r, k)`` by observations; None if they are part of the action, see
                :class:`envs.parametric.wrappers.adversarial.Adversarial`.

        Raises:
            ValueError: The dynamics are fixed.
        """
        space = parametric_space(env, type(self).__name__)
        super().__init__(env, -np.ones(len(space)), np.ones(len(space)), adversary)
        self._low, self._high = space.low, space.high

    def _disturb(self, rows: Rows, actions: npt.NDArray[Any], adversary_actions: Floats) -> npt.NDArray[Any]:
        self.env.set_params(self._low + (adversary_actions + 1.0) / 2.0 * (self._high - self._low), rows)
        return actions
