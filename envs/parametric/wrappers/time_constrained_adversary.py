"""Time-constrained adversary: the transition model moves by little from step to step."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from envs.parametric.wrappers.adversarial import Adversarial, Adversary
from envs.parametric.wrappers.base import parametric_space
from envs.protocols import BatchedEnv, Models, Rows, Seeds


class TimeConstrainedAdversary(Adversarial):
    """An adversary moves all parameters before every step, each by at most ``radius`` of its range.

    Its actions lie in [-1, 1]: full speed down and up. Episodes begin with a model drawn uniformly from the environment's own
    range by their seeds, or with the one that is chosen at reset; the model never leaves the range.

    Source:
        Zouitine et al. 2024 (arXiv 2406.08395). Deviations: the radius is relative to the range, so that it means the same for
        every parameter.
    """

    draws_params = True

    def __init__(self, env: BatchedEnv, *, radius: float = 0.001, adversary: Adversary | None = None) -> None:
        """Let in the adversary.

        Args:
            env: With settable dynamics.
            radius: Largest change in one step, as a fraction of the range, in (0, 1].
            adversary: Chooses its actions ``(r, k)`` by observations; None if they are part of the action, see
                :class:`envs.parametric.wrappers.adversarial.Adversarial`.

        Raises:
            ValueError: The dynamics are fixed, or ``radius`` is out of range.
        """
        space = parametric_space(env, type(self).__name__)
        if not 0 < radius <= 1:
            raise ValueError(f"radius is {radius}; expected a fraction of the range in (0, 1]")
        super().__init__(env, -np.ones(len(space)), np.ones(len(space)), adversary)
        self._low, self._high = space.low, space.high
        self._radius = radius * (self._high - self._low)

    def reset(self, rows: Rows, seeds: Seeds, dynamics: Models | None = None) -> npt.NDArray[Any]:
        self._begin(rows, seeds)
        if dynamics is None:
            dynamics = self._low + (self._high - self._low) * self._uniforms(rows, len(self._low))
        return super().reset(rows, seeds, np.clip(dynamics, self._low, self._high))

    def _disturb(self, rows: Rows, actions: npt.NDArray[Any], adversary_actions: Floats) -> npt.NDArray[Any]:
        moved = self.env.get_params(rows) + self._radius * adversary_actions
        self.env.set_params(np.clip(moved, self._low, self._high), rows)
        return actions
