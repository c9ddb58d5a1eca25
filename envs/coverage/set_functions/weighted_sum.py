"""Weighted sum of set functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy.typing as npt
import torch
from torch import Tensor

from envs.coverage.set_functions.composite import Composite, parts_of
from envs.coverage.set_functions.set_function import SetFunction, State
from envs.coverage.set_functions.weights_of import weights_of


class WeightedSum(Composite):
    """``F = sum_i w_i F_i``, ``w >= 0``: monotone and submodular if all parts are; its curvature is at most their largest."""

    def __init__(self, functions: Sequence[SetFunction], weights: npt.ArrayLike) -> None:
        """Combine functions.

        Args:
            functions: All with the same number of objectives.
            weights: ``(number of functions,)``, nonnegative.

        Raises:
            ValueError: A weight is negative, or numbers do not match.
        """
        functions = parts_of(functions)
        self.weights = weights_of(weights, "weights")
        """Of the functions."""
        sizes = {function.num_objectives for function in functions}
        if self.weights.shape[0] != len(functions) or len(sizes) != 1:
            raise ValueError(
                f"there are {len(functions)} functions with {sorted(sizes)} objectives and {self.weights.shape[0]} weights; "
                "expected one weight per function and the same number of objectives in all"
            )
        super().__init__(
            functions, num_objectives=sizes.pop(), summary_size=sum(function.summary_size for function in functions)
        )

    def _sum(self, parts: list[Tensor]) -> Tensor:
        return (torch.stack(parts, -1) * self.weights).sum(-1)

    def _advance(self, state: State, elements: Tensor, rows: Tensor | None) -> Tensor:
        return self._sum(self._advance_parts(state, elements, rows))

    def gains(self, state: State, rows: Tensor | None = None) -> Tensor:
        """Weighted sum of the gains, ``(r, V, m)``."""
        return self._sum(self._gains_of_parts(state, rows))

    def trajectory_gains(self, elements: Tensor) -> Tensor:
        """Weighted sum of the gains along trajectories, ``(B, T, m)``."""
        return self._sum([function.trajectory_gains(elements) for function in self.functions])

    def summary(self, state: State, rows: Tensor | None = None) -> Tensor:
        """The summaries side by side."""
        return torch.cat(self._summaries(state, rows), 1)
