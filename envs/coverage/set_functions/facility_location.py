"""Facility location: every client is served by its best facility."""

from __future__ import annotations

import numpy.typing as npt
import torch
from torch import Tensor

from envs.coverage.set_functions.set_function import SetFunction, State, part
from envs.coverage.set_functions.weights_of import weights_of


class FacilityLocation(SetFunction):
    """``F(A)`` = sum over clients of the largest similarity to an element of ``A``, 0 for the empty set."""

    def __init__(self, similarity: npt.ArrayLike) -> None:
        """Set the similarities.

        Args:
            similarity: Of elements and clients, ``(V, C)``, nonnegative.

        Raises:
            ValueError: An entry is negative or not finite.
        """
        self.similarity = weights_of(similarity, "similarity", ndim=2)
        """Of elements and clients, ``(V, C)``."""
        super().__init__(self.similarity.shape[0], summary_size=self.similarity.shape[1])

    def _start(self, batch: int, capacity: int) -> State:
        return {"best": torch.zeros(batch, self.summary_size, dtype=torch.float64, device=self.device)}

    def _advance(self, state: State, elements: Tensor, rows: Tensor | None) -> Tensor:
        before = part(state["best"], rows)
        after = torch.maximum(before, self.similarity[elements])
        gains = (after - before).sum(-1, keepdim=True)
        state["best"][slice(None) if rows is None else rows] = after
        return gains

    def gains(self, state: State, rows: Tensor | None = None) -> Tensor:
        """By how much each element would serve the clients better, ``(r, V, 1)``."""
        return (self.similarity - part(state["best"], rows)[:, None]).clamp(min=0).sum(-1, keepdim=True)

    def summary(self, state: State, rows: Tensor | None = None) -> Tensor:
        """How well each client is served, ``(r, C)``."""
        return part(state["best"], rows).clone()
