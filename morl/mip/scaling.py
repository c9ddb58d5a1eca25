r"""Networks in units that suit a solver.

A solver's tolerances are absolute, about :math:`10^{-7}`. Of a network that puts out millionths, or millions, it would call
actions best that are not. As :math:`\max(0, s x) = s \max(0, x)`, what each neuron puts out can be measured in a unit of its
own, so that it lies near 1, and so can the objective. Factors are powers of two, which change numbers exactly; of neurons,
powers of 64, so that most programs differ in few numbers from the one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from morl.mip.bounds.interval import LayerBounds, propagate
from morl.mip.folded import Array, FoldedNetwork, Layer
from morl.mip.objective import Pieces
from morl.mip.polytope import box

_LEAST = 1e-4  # of the piece of the objective that changes most
_OFF = 1e-2  # a unit that is hardly ever on counts as this part of how far it is off


def rescaled(networks: Sequence[FoldedNetwork], objective: Pieces) -> tuple[list[FoldedNetwork], Pieces, float]:
    """Choose units.

    Args:
        networks: At one observation, finite.
        objective: ``g``, a function of all their outputs.

    Returns:
        Networks and an objective with the same best actions, and what the new objective's values are multiplied with to get the
        old one's. The same objects and 1 where nothing is to be done.
    """
    new = []
    largest, level = np.zeros(len(objective.offsets)), objective.offsets.copy()
    for number, network in enumerate(networks):
        slopes = objective.of(number, network.num_outputs)
        bounds = propagate(network, box)
        new.append(_rescaled(network, bounds))
        level += slopes @ network.output.constant
        # Units that are never on have no effect, whatever their weights.
        effects = slopes @ new[-1].output.recurrent * (bounds[-1][1] > 0 if bounds else np.zeros(0))
        for part in (effects, slopes @ network.output.direct):
            largest = np.maximum(largest, np.abs(part).max(axis=1, initial=0.0))
    # Of several pieces one that changes little may be the one that counts.
    moving = largest[largest > 0] if largest.any() else np.abs(level)
    unit = float(_power(max(moving.min(), _LEAST * moving.max()), 2.0))
    if unit != 1.0:
        objective = Pieces(objective.slopes / unit, objective.offsets / unit)
    return new, objective, unit


def _rescaled(network: FoldedNetwork, bounds: Sequence[LayerBounds]) -> FoldedNetwork:
    factors = [_power(np.maximum(upper, _OFF * np.maximum(np.abs(lower), np.abs(upper))), 64.0) for lower, upper in bounds]
    if all((factor == 1.0).all() for factor in factors):
        return network
    hidden, before = [], np.ones(0)
    for layer, factor in zip(network.hidden, factors, strict=True):
        hidden.append(
            Layer(layer.recurrent * before / factor[:, None], layer.direct / factor[:, None], layer.constant / factor)
        )
        before = factor
    last = network.output
    return FoldedNetwork(tuple(hidden), Layer(last.recurrent * before, last.direct, last.constant))


def _power(sizes: Any, base: float) -> Array:
    """Nearest powers of ``base``; 1 for 0."""
    positive = np.where(sizes > 0, sizes, 1.0)
    return np.asarray(base ** np.round(np.log(positive) / np.log(base)))
