"""Concave over modular: several amounts are collected, each with diminishing use."""

from __future__ import annotations

from collections.abc import Callable

import numpy.typing as npt
import torch
from torch import Tensor

from envs.coverage.set_functions.set_function import SetFunction, State, part
from envs.coverage.set_functions.weights_of import weights_of


class ConcaveOverModular(SetFunction):
    """``F(A)`` = sum over features ``g`` of ``concave(total of g over the visits in A)``; repeated visits count."""

    def __init__(self, features: npt.ArrayLike, concave: Callable[[Tensor], Tensor] = torch.sqrt) -> None:
        """Set features and curve.

        Args:
            features: What a visit brings of each feature, ``(V, G)``, nonnegative.
            concave: Elementwise, nondecreasing and concave on nonnegative numbers, such as ``torch.sqrt`` or ``torch.log1p``.

        Raises:
            ValueError: A feature is negative or not finite.
        """
        self._features = weights_of(features, "features", ndim=2)
        self._concave = concave
        super().__init__(self._features.shape[0], summary_size=self._features.shape[1])

    def _start(self, batch: int, capacity: int) -> State:
        return {"totals": torch.zeros(batch, self.summary_size, dtype=torch.float64, device=self.device)}

    def _advance(self, state: State, elements: Tensor, rows: Tensor | None) -> Tensor:
        before = part(state["totals"], rows)
        after = before + self._features[elements]
        gains = (self._concave(after) - self._concave(before)).sum(-1, keepdim=True)
        state["totals"][slice(None) if rows is None else rows] = after
        return gains

    def gains(self, state: State, rows: Tensor | None = None) -> Tensor:
        """Growth of the sum for each element, ``(r, V, 1)``."""
        before = part(state["totals"], rows)[:, None]
        return (self._concave(before + self._features) - self._concave(before)).sum(-1, keepdim=True)

    def summary(self, state: State, rows: Tensor | None = None) -> Tensor:
        """The totals, ``(r, G)``."""
        return part(state["totals"], rows).clone()
