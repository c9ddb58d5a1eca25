r"""Bounds by back-substitution through linear relaxations of the units (CROWN, DeepPoly), ending in the action polytope.

A unit with pre-activation in :math:`[l, u]`, :math:`l < 0 < u`, lies between lines:

.. math:: \lambda p \le \max(0, p) \le \frac{u}{u - l} (p - l), \qquad \lambda = [u \ge -l]

The bound of a pre-activation is found by replacing, layer after layer backwards, each unit by the line on the safe side, until
a linear function of the action is left.

Source:
    Zhang et al., Efficient Neural Network Robustness Certification with General Activation Functions, NeurIPS 2018. Deviations:
    the last step maximises over feasible actions instead of a ball, and the result is intersected with interval arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from morl.mip.bounds.interval import LayerBounds, propagate
from morl.mip.folded import Array, FoldedNetwork, Layer
from morl.mip.polytope import ActionPolytope, Flags


def crown(network: FoldedNetwork, polytope: ActionPolytope) -> list[LayerBounds]:
    """Bound pre-activations by back-substitution.

    Args:
        network: At one observation.
        polytope: What is known of the feasible actions.

    Returns:
        For each hidden layer; nowhere wider than those of ``polytope``.
    """

    def sharpen(bounds: list[LayerBounds], lower: Array, upper: Array) -> LayerBounds:
        before, layer = network.hidden[: len(bounds)], network.hidden[len(bounds)]
        opposite = Layer(-layer.recurrent, -layer.direct, -layer.constant)
        direct, constant = substituted(before, bounds, layer)
        upper = np.minimum(upper, constant + polytope.support(direct))
        direct, constant = substituted(before, bounds, opposite)
        return np.maximum(lower, -(constant + polytope.support(direct))), upper

    return propagate(network, polytope.support, sharpen)


def substituted(before: tuple[Layer, ...], bounds: Sequence[LayerBounds], layer: Layer) -> tuple[Array, Array]:
    """Linear functions of the action that lie above a layer's outputs wherever the bounds hold.

    Args:
        before: The hidden layers that it rests on.
        bounds: Of their pre-activations.
        layer: The layer.

    Returns:
        Coefficients ``(h, N)`` and constants ``(h,)``.
    """
    factors, direct, constant = layer.recurrent, layer.direct, layer.constant
    for earlier, (lower, upper) in zip(reversed(before), reversed(bounds[: len(before)]), strict=True):
        open_, above, below = slopes_of(lower, upper)
        intercept = np.where(open_, -upper * lower / np.where(open_, upper - lower, 1.0), 0.0)
        chosen = np.where(factors > 0, factors * above, factors * below)
        constant = constant + np.maximum(factors, 0.0) @ intercept + chosen @ earlier.constant
        direct = direct + chosen @ earlier.direct
        factors = chosen @ earlier.recurrent
    return direct, constant


def slopes_of(lower: Array, upper: Array) -> tuple[Flags, Array, Array]:
    """Which units are open under bounds ``(h,)``, and the slopes of the lines above and below all of them."""
    open_ = (lower < 0) & (upper > 0)
    active = (lower >= 0).astype(np.float64)
    above = np.where(open_, upper / np.where(open_, upper - lower, 1.0), active)
    return open_, above, np.where(open_, (upper >= -lower).astype(np.float64), active)
