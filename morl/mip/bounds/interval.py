"""Bounds by interval arithmetic: every unit by itself, over all actions or over those that are feasible."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from morl.mip.folded import Array, FoldedNetwork
from morl.mip.polytope import ActionPolytope, box

LayerBounds = tuple[Array, Array]
"""Lower and upper bounds of the pre-activations of one layer, ``(h,)`` each."""

MARGIN = 1e-5
"""What bounds are widened by, relative to their size plus one. Solvers drop tiny coefficients, and cut off solutions that lie
exactly on several sides at once; both happened with exact bounds."""

Support = Callable[[Array], Array]
Sharpen = Callable[[list[LayerBounds], Array, Array], LayerBounds]
"""Maps the bounds of all layers before, and a layer's own, to better ones."""


def interval(network: FoldedNetwork, _polytope: ActionPolytope) -> list[LayerBounds]:
    """Bound pre-activations over all of ``[0, 1]^N``.

    Args:
        network: At one observation.
        _polytope: Not used.

    Returns:
        For each hidden layer.
    """
    return propagate(network, box)


def polytope(network: FoldedNetwork, polytope: ActionPolytope) -> list[LayerBounds]:
    """Bound pre-activations over the feasible actions, of which few components are one; like :func:`interval` otherwise."""
    return propagate(network, polytope.support)


def propagate(network: FoldedNetwork, support: Support, sharpen: Sharpen | None = None) -> list[LayerBounds]:
    """Interval arithmetic through the layers; ``support`` bounds what comes from the action, ``sharpen`` improves a layer's."""
    found: list[LayerBounds] = []
    low = high = np.zeros(0)
    for layer in network.hidden:
        positive, negative = np.maximum(layer.recurrent, 0.0), np.minimum(layer.recurrent, 0.0)
        lower = positive @ low + negative @ high + layer.constant - support(-layer.direct)
        upper = positive @ high + negative @ low + layer.constant + support(layer.direct)
        if found and sharpen is not None:
            lower, upper = sharpen(found, lower, upper)
        found.append((lower, upper))
        low, high = np.maximum(lower, 0.0), np.maximum(upper, 0.0)
    return found


def widened(bounds: LayerBounds) -> LayerBounds:
    """Move bounds outwards by ``MARGIN``, so that no solution lies exactly on several sides at once."""
    lower, upper = bounds
    return lower - MARGIN * (1.0 + np.abs(lower)), upper + MARGIN * (1.0 + np.abs(upper))
