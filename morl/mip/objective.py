r"""What is maximised over actions, as the smallest of several linear functions of the network's outputs.

A weighted sum is one linear function. A Chebyshev distance is the smallest of ``m``, and so is the worst case over networks:
their combination is the smallest over all pairs. In an integer program one linear function is the objective; several take one
more variable and one row each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from morl.errors import CapabilityError, ConfigurationError, ShapeError
from morl.scalarizations import AugmentedChebyshev, Chebyshev, WeightedSum

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pieces:
    r""":math:`g(q) = \min_p (\sigma_p^\top q + \tau_p)`, with :math:`\sigma \ge 0`.

    For several networks the outputs stand one behind the other.
    """

    slopes: Array
    r""":math:`\sigma`, ``(P, M)``, nonnegative."""
    offsets: Array
    r""":math:`\tau`, ``(P,)``."""

    def __call__(self, values: Array) -> Array:
        """Scalarise outputs ``(..., M)``."""
        result: Array = (values @ self.slopes.T + self.offsets).min(-1)
        return result

    def of(self, number: int, num_outputs: int) -> Array:
        """Slopes in the outputs of one of several networks, which have equally many: ``(P, m)``."""
        return self.slopes[:, number * num_outputs : (number + 1) * num_outputs]

    def worst_of(self, count: int) -> Pieces:
        """The same function, the smallest over ``count`` networks: ``(count P, count M)``."""
        slopes: Array = np.kron(np.eye(count), self.slopes).astype(np.float64)
        return Pieces(slopes, np.tile(self.offsets, count))


def pieces(num_outputs: int, *, weights: Any = None, scalarization: Any = None, ideal_point: Any = None) -> Pieces:
    """Write a scalarization as the smallest of linear functions.

    Args:
        num_outputs: ``m``.
        weights: Preference ``(m,)``, nonnegative and not all zero; equal weights if None.
        scalarization: A component of :mod:`morl.scalarizations`; a weighted sum if None.
        ideal_point: ``(m,)``, in the units of the outputs, where the scalarization needs one.

    Returns:
        The pieces.

    Raises:
        CapabilityError: The scalarization is not the smallest of linear functions.
        ConfigurationError: The weights are negative, not finite or all zero; or the ideal point is missing.
        ShapeError: A length is not ``m``.
    """
    kind = WeightedSum() if scalarization is None else scalarization
    writer = _WRITERS.get(type(kind))
    if writer is None:
        raise CapabilityError(
            f"{type(kind).__name__} is not the smallest of linear functions, so that no mixed-integer linear program holds it; "
            f"use one of {', '.join(known.__name__ for known in _WRITERS)}"
        )
    w = _vector("weights", np.full(num_outputs, 1.0 / num_outputs) if weights is None else weights, num_outputs)
    if (w < 0).any() or not w.any():
        raise ConfigurationError(f"weights must be nonnegative and not all zero, found {w.tolist()}")
    if kind.needs_ideal_point and ideal_point is None:
        raise ConfigurationError(f"{type(kind).__name__} measures a distance: give ideal_point, shape ({num_outputs},)")
    return writer(kind, w, np.zeros(num_outputs) if ideal_point is None else _vector("ideal_point", ideal_point, num_outputs))


def _vector(name: str, given: Any, size: int) -> Array:
    values = np.asarray(given.detach().cpu() if hasattr(given, "detach") else given, np.float64)
    if values.shape != (size,):
        raise ShapeError(f"{name} has shape {values.shape}; expected ({size},), one number per output of the network")
    if not np.isfinite(values).all():
        raise ConfigurationError(f"{name} holds a number that is not finite: {values.tolist()}")
    return values


_WRITERS: dict[type, Callable[[Any, Array, Array], Pieces]] = {
    WeightedSum: lambda _kind, w, _z: Pieces(w[None], np.zeros(1)),
    # -max_j w_j (z_j - q_j) = min_j (w_j q_j - w_j z_j)
    Chebyshev: lambda _kind, w, z: Pieces(np.diag(w), -w * z),
    AugmentedChebyshev: lambda kind, w, z: Pieces(np.diag(w) + kind.rho * w, -w * z - kind.rho * (w @ z)),
}
"""By scalarization: weights ``(m,)`` and ideal point ``(m,)`` to pieces."""
