"""A set function that is satisfied at some level."""

from __future__ import annotations

import math

from torch import Tensor

from envs.coverage.set_functions.concave_of import ConcaveOf
from envs.coverage.set_functions.set_function import SetFunction


class Truncate(ConcaveOf):
    """``min(F, level)``, per objective."""

    def __init__(self, function: SetFunction, level: float) -> None:
        """Set the level.

        Args:
            function: Monotone and submodular.
            level: Positive and finite.

        Raises:
            ValueError: The level is not positive and finite.
        """
        if not 0 < level < math.inf:
            raise ValueError(f"level is {level}; expected a positive finite number")
        self.level = level
        super().__init__(function, self._cut)

    def _cut(self, values: Tensor) -> Tensor:
        return values.clamp(max=self.level)
