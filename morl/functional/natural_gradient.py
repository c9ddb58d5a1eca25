"""Natural gradients: products with the Fisher matrix, solving with it, and steps of limited divergence."""

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


def metric_product(outputs: Tensor, parameters: Vectors, metric: Callable[[Tensor], Tensor], vectors: Vectors) -> Vectors:
    r"""Product :math:`J^\top M J v` of each member, for the Jacobian ``J`` of its outputs by its parameters.

    With the Fisher matrix of the distributions that the outputs describe as ``M``, this is the Fisher matrix of the parameters.

    Args:
        outputs: Of a network, ``(n, ...)``, with a graph; a member's outputs depend on its own parameters only.
        parameters: Leaves of the graph.
        metric: Maps a change of the outputs to ``M`` times it, shapes like ``outputs``.
        vectors: ``v``, like the parameters.

    Returns:
        Like ``vectors``.
    """
    # A product with the Jacobian, from two products with its transpose.
    dummy = torch.zeros_like(outputs, requires_grad=True)
    pulled = torch.autograd.grad(outputs, parameters, dummy, create_graph=True)
    (pushed,) = torch.autograd.grad(pulled, dummy, vectors, retain_graph=True)
    return list(torch.autograd.grad(outputs, parameters, metric(pushed), retain_graph=True))


def natural_step(
    product: Callable[[Vectors], Vectors],
    gradient: Vectors,
    *,
    length: float | Tensor,
    max_divergence: float,
    iterations: int,
    damping: float,
) -> Vectors:
    r"""Step :math:`\eta (F + \text{damping})^{-1} g`, shortened to a divergence, by its model :math:`\frac12 d^\top F d`.

    Args:
        product: Maps :math:`x` to :math:`F x`; see :func:`conjugate_gradients`.
        gradient: Of what is maximised, ``g``.
        length: Wanted factor :math:`\eta`, for all members or ``(n,)``.
        max_divergence: Largest mean Kullback-Leibler divergence (nats).
        iterations: See :func:`conjugate_gradients`.
        damping: Likewise.

    Returns:
        The change of the parameters.

    Source:
        Kakade, A Natural Policy Gradient, 2001; the shortening as in Schulman et al., Trust Region Policy Optimization, 2015.
    """
    direction = conjugate_gradients(product, gradient, iterations=iterations, damping=damping)
    divergence = 0.5 * length**2 * dot(direction, product(direction))
    factor = length * (max_divergence / divergence.clamp_min(1e-30)).sqrt().clamp_max(1.0)
    return axpy(factor, direction, [torch.zeros_like(d) for d in direction])


def dot(a: Vectors, b: Vectors) -> Tensor:
    """Inner product of each member's vectors, ``(n,)``."""
    return torch.stack([(x * y).flatten(1).sum(1) for x, y in zip(a, b, strict=True)]).sum(0)


def axpy(scale: Tensor, x: Vectors, y: Vectors) -> Vectors:
    """``scale * x + y`` with one ``scale`` per member, ``(n,)``."""
    return [scale.view(-1, *(1,) * (a.dim() - 1)) * a + b for a, b in zip(x, y, strict=True)]
