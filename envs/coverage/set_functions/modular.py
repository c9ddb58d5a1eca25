"""Modular: every visit is worth the same, whatever was visited before."""

from __future__ import annotations

import numpy.typing as npt
import torch
from torch import Tensor

from envs.coverage.set_functions.set_function import SetFunction, State, part
from envs.coverage.set_functions.weights_of import weights_of


class Modular(SetFunction):
    """``F(A)`` = sum of the weights of the visits in ``A``; repeated visits count. The ordinary additive reward."""

    def __init__(self, weights: npt.ArrayLike) -> None:
        """Set the weights.

        Args:
            weights: Nonnegative, ``(V,)``.

        Raises:
            ValueError: A weight is negative or not finite.
        """
        self._weights = weights_of(weights, "weights")[:, None]
        super().__init__(self._weights.shape[0])

    def _start(self, batch: int, capacity: int) -> State:
        return {}

    def _advance(self, state: State, elements: Tensor, rows: Tensor | None) -> Tensor:
        return self._weights[elements]

    def gains(self, state: State, rows: Tensor | None = None) -> Tensor:
        """The weights, whatever the sets are, ``(r, V, 1)``."""
        return self._weights.expand(part(state["value"], rows).shape[0], -1, -1)

    def trajectory_gains(self, elements: Tensor) -> Tensor:
        """The weights along the trajectories, ``(B, T, 1)``."""
        self._check_elements(elements)
        return torch.nn.functional.embedding(elements, self._weights)
