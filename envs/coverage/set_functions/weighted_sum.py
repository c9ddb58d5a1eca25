"""Weighted sum of set functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy.typing as npt
import torch
from torch import Tensor

from envs.coverage.set_functions.composite import Composite, parts_of
from envs.coverage.set_functions.set_function import SetFunction
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
        super().__init__(functions, num_objectives=sizes.pop())

    def _joined(self, gains: list[Tensor]) -> Tensor:
        return (torch.stack(gains, -1) * self.weights).sum(-1)
