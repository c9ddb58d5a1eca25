"""Bounds by interval arithmetic that knows which actions are feasible: few ones, limited capacity."""

from __future__ import annotations

from morl.mip.bounds.interval import LayerBounds, propagate
from morl.mip.folded import FoldedNetwork
from morl.mip.polytope import ActionPolytope


def polytope(network: FoldedNetwork, polytope: ActionPolytope) -> list[LayerBounds]:
    """Bound pre-activations over the feasible actions, layer by layer.

    Args:
        network: At one observation.
        polytope: What is known of the feasible actions.

    Returns:
        For each hidden layer.
    """
    return propagate(network, polytope.support)
