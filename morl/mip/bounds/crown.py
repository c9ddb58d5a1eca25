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
import numpy.typing as npt

from morl.mip.bounds.interval import LayerBounds
from morl.mip.folded import FoldedNetwork, Layer
from morl.mip.polytope import ActionPolytope

Array = npt.NDArray[np.float64]


def crown(network: FoldedNetwork, polytope: ActionPolytope) -> list[LayerBounds]:
    """Bound pre-activations by back-substitution.

    Args:
        network: At one observation.
        polytope: What is known of the feasible actions.

    Returns:
        For each hidden layer; nowhere wider than those of ``polytope``.
    """
    found: list[LayerBounds] = []
    low = high = np.zeros(0)
    for number, layer in enumerate(network.hidden):
        positive, negative = np.maximum(layer.recurrent, 0.0), np.minimum(layer.recurrent, 0.0)
        lower = positive @ low + negative @ high + layer.constant - polytope.support(-layer.direct)
        upper = positive @ high + negative @ low + layer.constant + polytope.support(layer.direct)
        if number:
            upper = np.minimum(upper, upper_by_substitution(network.hidden[:number], found, layer, polytope))
            opposite = Layer(-layer.recurrent, -layer.direct, -layer.constant)
            lower = np.maximum(lower, -upper_by_substitution(network.hidden[:number], found, opposite, polytope))
        found.append((lower, upper))
        low, high = np.maximum(lower, 0.0), np.maximum(upper, 0.0)
    return found


def upper_by_substitution(
    before: tuple[Layer, ...], bounds: list[LayerBounds], layer: Layer, polytope: ActionPolytope
) -> Array:
    """Upper bounds of a layer's outputs, ``(h,)``; arguments as for :func:`substituted`."""
    direct, constant = substituted(before, bounds, layer)
    return constant + polytope.support(direct)


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
        open_ = (lower < 0) & (upper > 0)
        active = (lower >= 0).astype(np.float64)
        width = np.where(open_, upper - lower, 1.0)
        above = np.where(open_, upper / width, active)
        intercept = np.where(open_, -upper * lower / width, 0.0)
        below = np.where(open_, (upper >= -lower).astype(np.float64), active)
        chosen = np.where(factors > 0, factors * above, factors * below)
        constant = constant + np.maximum(factors, 0.0) @ intercept + chosen @ earlier.constant
        direct = direct + chosen @ earlier.direct
        factors = chosen @ earlier.recurrent
    return direct, constant
