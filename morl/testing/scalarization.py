"""Check a scalarization."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from morl.errors import ConfigurationError, ShapeError
from morl.scalarizations.base import Scalarization
from morl.seeding import stream
from morl.testing.requirement import require, require_error


def check_scalarization(scalarization: Scalarization, *, num_objectives: int = 3, monotone: bool = True, seed: int = 0) -> None:
    """Check that a scalarization keeps the contract of :class:`morl.scalarizations.Scalarization`.

    Pure, broadcasting equals looping, numpy equals torch, gradients exist, a dominating value is never worse, wrong shapes
    and a missing ideal point are errors.

    Args:
        scalarization: What to check.
        num_objectives: ``m``.
        monotone: Whether a value that dominates another must not score less; PBI is an example where it may.
        seed: Of the values it is tried on.

    Raises:
        AssertionError: It breaks the contract; the message says where.

    Example:
        >>> from morl.scalarizations import Chebyshev
        >>> check_scalarization(Chebyshev())
    """
    name, m = type(scalarization).__name__, num_objectives
    for attribute in ("is_linear", "needs_ideal_point"):
        require(isinstance(getattr(scalarization, attribute, None), bool), f"{name}.{attribute} must be a bool of the class")
    rng = stream(seed, "check_scalarization")
    values, weights, z = rng.normal(size=(5, 4, m)), rng.dirichlet(np.ones(m), size=4), rng.normal(2.0, 0.1, size=m)
    before = [x.copy() for x in (values, weights, z)]

    def s(v: Any, w: Any, ideal: Any = z) -> Any:
        return scalarization(v, w, ideal_point=ideal)

    batched = s(values, weights)
    require(
        isinstance(batched, np.ndarray) and batched.shape == (5, 4),
        f"{name}: numpy (5, 4, m) and (4, m) must give numpy (5, 4)",
    )
    require(np.isfinite(batched).all(), f"{name}: finite values gave a result that is not")
    looped = [[float(s(values[i, j], weights[j])) for j in range(4)] for i in range(5)]
    require(np.allclose(batched, looped, rtol=1e-9, atol=1e-9), f"{name}: a batch must give what its elements give one by one")
    require((s(values, weights) == batched).all(), f"{name}: the same input gave another result; it must keep no state")
    require(all((x == y).all() for x, y in zip(before, (values, weights, z), strict=True)), f"{name}: it changed its arguments")

    v = torch.from_numpy(values).requires_grad_()
    result = s(v, torch.from_numpy(weights), torch.from_numpy(z))
    require(isinstance(result, torch.Tensor), f"{name}: torch in must give torch out")
    require(np.allclose(result.detach().numpy(), batched, rtol=1e-6, atol=1e-6), f"{name}: torch and numpy disagree")
    (gradient,) = torch.autograd.grad(result.sum(), v)
    require(
        bool(gradient.isfinite().all()) and bool((gradient != 0).any()), f"{name}: no usable gradient with respect to values"
    )

    if monotone:
        better = values + rng.exponential(size=values.shape) * (rng.random(values.shape) < 0.5)
        require((s(better, weights) >= batched - 1e-9).all(), f"{name}: a value that dominates another scored less")
    if scalarization.is_linear:
        double = s(2 * values, weights, 2 * z)
        require(
            np.allclose(double, 2 * batched), f"{name}: is_linear is True but doubling the values does not double the result"
        )
    require_error(ShapeError, lambda: s(values, weights[:, :-1]), f"{name}: weights of the wrong length")
    if scalarization.needs_ideal_point:
        require_error(ConfigurationError, lambda: s(values, weights, None), f"{name}: no ideal point")
        require_error(ShapeError, lambda: s(values, weights, z[:-1]), f"{name}: ideal point of the wrong length")
