"""Bounds by interval arithmetic: every component of the action and every unit by itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from morl.mip.folded import FoldedNetwork
from morl.mip.polytope import ActionPolytope, box

Array = npt.NDArray[np.float64]
LayerBounds = tuple[Array, Array]
"""Lower and upper bounds of the pre-activations of one layer, ``(h,)`` each."""

MARGIN = 1e-5
"""What bounds are widened by, relative to their size plus one. Solvers drop tiny coefficients, and cut off solutions that lie
exactly on several sides at once; both happened with exact bounds."""

Support = Callable[[Array], Array]


def interval(network: FoldedNetwork, _polytope: ActionPolytope) -> list[LayerBounds]:
    """Bound pre-activations over all of ``[0, 1]^N``.

    Args:
        network: At one observation.
        _polytope: Not used.

    Returns:
        For each hidden layer.
    """
    return propagate(network, box)


def propagate(network: FoldedNetwork, support: Support) -> list[LayerBounds]:
    """Interval arithmetic through the layers; ``support`` bounds what comes from the action."""
    found: list[LayerBounds] = []
    low = high = np.zeros(0)
    for layer in network.hidden:
        positive, negative = np.maximum(layer.recurrent, 0.0), np.minimum(layer.recurrent, 0.0)
        lower = positive @ low + negative @ high + layer.constant - support(-layer.direct)
        upper = positive @ high + negative @ low + layer.constant + support(layer.direct)
        found.append((lower, upper))
        low, high = np.maximum(lower, 0.0), np.maximum(upper, 0.0)
    return found


def widened(bounds: LayerBounds) -> LayerBounds:
    """Move bounds outwards by ``MARGIN``, so that no solution lies exactly on several sides at once."""
    lower, upper = bounds
    return lower - MARGIN * (1.0 + np.abs(lower)), upper + MARGIN * (1.0 + np.abs(upper))
