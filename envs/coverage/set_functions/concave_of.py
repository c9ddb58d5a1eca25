"""A concave curve over a set function."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from envs.coverage.set_functions.composite import Composite, parts_of
from envs.coverage.set_functions.set_function import SetFunction, State, part


class ConcaveOf(Composite):
    """``concave(F) - concave(0)``, per objective: monotone and submodular if ``F`` is."""

    def __init__(self, function: SetFunction, concave: Callable[[Tensor], Tensor]) -> None:
        """Bend a function.

        Args:
            function: Monotone and submodular.
            concave: Elementwise, nondecreasing and concave on nonnegative numbers, such as ``torch.log1p``.
        """
        (function,) = parts_of([function])
        m = function.num_objectives
        super().__init__([function], num_objectives=m, summary_size=function.summary_size + m)
        self._concave = concave

    def _joined(self, gains: list[Tensor]) -> Tensor:
        return gains[0]

    def _advance(self, state: State, elements: Tensor, rows: Tensor | None) -> Tensor:
        before = part(state["0.value"], rows).clone()
        return self._concave(before + super()._advance(state, elements, rows)) - self._concave(before)

    def gains(self, state: State, rows: Tensor | None = None) -> Tensor:
        """Growth of the bent value, ``(r, V, m)``."""
        before = part(state["0.value"], rows)[:, None]
        return self._concave(before + super().gains(state, rows)) - self._concave(before)

    def trajectory_gains(self, elements: Tensor) -> Tensor:
        """Growth of the bent value along trajectories, ``(B, T, m)``."""
        inner = super().trajectory_gains(elements)
        after = inner.cumsum(1)
        return self._concave(after) - self._concave(after - inner)

    def summary(self, state: State, rows: Tensor | None = None) -> Tensor:
        """The summary of the function and its value."""
        return torch.cat([super().summary(state, rows), part(state["0.value"], rows)], 1)
