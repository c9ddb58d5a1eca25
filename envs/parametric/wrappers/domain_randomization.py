"""Domain randomisation: a new transition model in every episode."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from envs.parametric.wrappers.base import BatchedWrapper, parametric_space
from envs.protocols import BatchedEnv, Models, Rows, Seeds


class DomainRandomization(BatchedWrapper):
    """Each episode has a model drawn uniformly from a box, by its own seed.

    A model that is chosen explicitly at reset is used instead. ``get_params`` and ``info["params"]`` say which model is in
    force.
    """

    draws_params: ClassVar[bool] = True
    """Resets without a chosen model do not keep the one before."""

    def __init__(self, env: BatchedEnv, *, low: npt.ArrayLike | None = None, high: npt.ArrayLike | None = None) -> None:
        """Choose the box.

        Args:
            env: With settable dynamics.
            low: Lower ends ``(k,)``; by default those of the environment's own uncertainty set.
            high: Upper ends ``(k,)``; likewise.

        Raises:
            ValueError: The dynamics are fixed, or the box is reversed or cannot be simulated.
        """
        super().__init__(env)
        space = parametric_space(env, "DomainRandomization")
        self._low = space.checked(space.low if low is None else low)
        self._high = space.checked(space.high if high is None else high)
        if (self._low > self._high).any():
            name = space.names[int(np.flatnonzero(self._low > self._high)[0])]
            raise ValueError(f"the range of parameter {name!r} has its bounds reversed")

    def reset(self, rows: Rows, seeds: Seeds, dynamics: Models | None = None) -> npt.NDArray[Any]:
        self._begin(rows, seeds)
        if dynamics is None:
            dynamics = self._low + (self._high - self._low) * self._uniforms(rows, len(self._low))
        return super().reset(rows, seeds, dynamics)
