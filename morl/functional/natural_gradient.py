"""Natural gradients: solving with the Fisher matrix, of which only products are known."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Vectors = list[Tensor]
"""One vector per member, in pieces: tensors ``(n, ...)``."""


def conjugate_gradients(product: Callable[[Vectors], Vectors], target: Vectors, *, iterations: int, damping: float) -> Vectors:
    r"""Solve :math:`(A_i + \text{damping}) x_i = b_i` for every member at once.

    Args:
        product: Maps :math:`x` to :math:`A x`, each member by itself; every ``A`` symmetric and positive semidefinite.
        target: ``b``.
        iterations: Number of products; fewer are exact for a member once its residual is zero.
        damping: Added to the diagonal, positive.

    Returns:
        ``x``.

    Source:
        Hestenes and Stiefel, Methods of Conjugate Gradients for Solving Linear Systems, 1952.
    """
    solution = [torch.zeros_like(b) for b in target]
    residual = [b.clone() for b in target]
    direction = [b.clone() for b in target]
    square = dot(residual, residual)
    for _ in range(iterations):
        image = [a + damping * d for a, d in zip(product(direction), direction, strict=True)]
        # A member that has converged divides zero by zero: it stays where it is.
        curvature = dot(direction, image)
        length = torch.where(curvature > 0, square / curvature.clamp_min(torch.finfo(square.dtype).tiny), 0.0)
        solution = axpy(length, direction, solution)
        residual = axpy(-length, image, residual)
        following = dot(residual, residual)
        ratio = torch.where(square > 0, following / square.clamp_min(torch.finfo(square.dtype).tiny), 0.0)
        direction = axpy(ratio, direction, residual)
        square = following
    return solution


def dot(a: Vectors, b: Vectors) -> Tensor:
    """Inner product of each member's vectors, ``(n,)``."""
    return torch.stack([(x * y).flatten(1).sum(1) for x, y in zip(a, b, strict=True)]).sum(0)


def axpy(scale: Tensor, x: Vectors, y: Vectors) -> Vectors:
    """``scale * x + y`` with one ``scale`` per member, ``(n,)``."""
    return [scale.view(-1, *(1,) * (a.dim() - 1)) * a + b for a, b in zip(x, y, strict=True)]
