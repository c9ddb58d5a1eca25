"""A set function that is satisfied at some level."""

from __future__ import annotations

from torch import Tensor

from envs.coverage.set_functions.concave_of import ConcaveOf
from envs.coverage.set_functions.set_function import SetFunction
from envs.coverage.set_functions.weights_of import positive


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
        self.level = positive(level, "level", "at 0 nothing counts, and at infinity nothing is cut")
        super().__init__(function, self._cut)

    def _cut(self, values: Tensor) -> Tensor:
        return values.clamp(max=self.level)
