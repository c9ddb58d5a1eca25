"""The first layer: a matrix for real numbers, a table for integers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from morl.nn.policy_networks.network import affine, orthogonal
from morl.nn.stacked import Parameters


@cache
def _firsts(sizes: tuple[int, ...], device: torch.device) -> Tensor:
    """Where each component's vectors begin in the table."""
    return torch.tensor([sum(sizes[:k]) for k in range(len(sizes))], device=device)


@dataclass(frozen=True)
class InputLayer:
    """An affine layer of encoded observations.

    For integral observations it is the affine layer of their one-hot encoding, which is never formed: every component looks up
    a learned vector for its value, and the vectors add up.
    """

    inputs: int
    """Number of components ``d``."""
    sizes: tuple[int, ...] | None
    """How many values each component can take, for integral observations; None for real numbers."""
    width: int
    """Output width."""

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Weight and bias of one network."""
        return [(self.inputs if self.sizes is None else sum(self.sizes), self.width), (self.width,)]

    def init_member(self, generator: torch.Generator) -> Parameters:
        """Orthogonal for real numbers; standard normal vectors for integers, so that each value is told from its neighbours."""
        (rows, width), _ = self.shapes
        if self.sizes is None:
            return [orthogonal(rows, width, 1.0, generator), torch.zeros(width)]
        return [torch.randn(rows, width, generator=generator), torch.zeros(width)]

    def __call__(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """Evaluate: ``(n, B, d)`` -> ``(n, B, width)``; integral inputs may have ``n = 1`` for all members alike."""
        weight, bias = parameters
        if self.sizes is None:
            return affine(weight, bias, inputs)
        members, rows, _ = weight.shape
        firsts = _firsts(self.sizes, weight.device)
        index = inputs + firsts
        if members > 1:
            index = index + torch.arange(members, device=weight.device).view(-1, 1, 1) * rows
        # The bias goes into the last component's vectors: there are fewer of them than inputs.
        last = rows - self.sizes[-1]
        matrix = torch.cat([weight[:, :last], weight[:, last:] + bias.unsqueeze(1)], 1).view(members * rows, self.width)
        if torch.is_grad_enabled():
            summed: Tensor = _SumOfRows.apply(matrix, index)  # type: ignore[no-untyped-call]
            return summed
        return _sum_of_rows(matrix, index)


def _sum_of_rows(matrix: Tensor, index: Tensor) -> Tensor:
    flat = torch.nn.functional.embedding_bag(index.view(-1, index.shape[-1]), matrix, mode="sum")
    return flat.view(*index.shape[:-1], matrix.shape[1])


class _SumOfRows(torch.autograd.Function):
    """Sums of some rows of a matrix ``(R, w)``, for each of ``(n, B, d)`` row numbers: ``(n, B, w)``.

    Without the intermediate ``(n, B, d, w)``, forwards and backwards.
    """

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, index: Tensor) -> Tensor:
        """Add up."""
        ctx.save_for_backward(index)
        ctx.rows = len(matrix)
        return _sum_of_rows(matrix, index)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Hand the gradient to each of the rows; made of operations that can be differentiated again."""
        (index,) = ctx.saved_tensors
        flat = gradient.flatten(0, 1)
        total = flat.new_zeros(ctx.rows, flat.shape[1])
        for column in index.flatten(0, 1).T:
            total = total.index_add(0, column, flat)
        return total, None
