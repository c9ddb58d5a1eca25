"""Bounds by linear programs, for the units that cheaper bounds leave open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from morl.mip.bounds.interval import LayerBounds
from morl.mip.folded import FoldedNetwork

if TYPE_CHECKING:
    from morl.mip.model import QProgram

Builder = Callable[[Sequence[Sequence[LayerBounds]]], "QProgram"]

_MARGIN = 1e-6


def tighten(
    networks: Sequence[FoldedNetwork], build: Builder, bounds: Sequence[Sequence[LayerBounds]]
) -> list[list[LayerBounds]]:
    """Maximise and minimise the pre-activation of each open unit over the relaxed program, layer by layer.

    Two linear programs per unit, each going on from the basis of the one before.

    Args:
        networks: At one observation.
        build: Writes the program for given bounds.
        bounds: By network and layer.

    Returns:
        Bounds that are nowhere wider.
    """
    from morl.mip.session import LinearProgram

    found = [list(layers) for layers in bounds]
    depth = max((len(network.hidden) for network in networks), default=0)
    for number in range(depth):
        model = build(found)
        program = model.program
        relaxed = LinearProgram(replace(program, integer=np.zeros_like(program.integer)))
        for which, network in enumerate(networks):
            if number >= len(network.hidden):
                continue
            layer = network.hidden[number]
            lower, upper = (side.copy() for side in found[which][number])
            columns = np.concatenate([model.units[which][number - 1].hidden if number else model.actions[:0], model.actions])
            for unit in np.flatnonzero((lower < 0) & (upper > 0)):
                weights = np.concatenate([layer.recurrent[unit], layer.direct[unit]])
                room = _MARGIN * (1.0 + np.abs(weights).sum())
                for sign, side in ((1.0, upper), (-1.0, lower)):
                    best = relaxed.maximize(columns, sign * weights)
                    if best is not None:
                        bound = sign * (best + room) + layer.constant[unit]
                        side[unit] = min(side[unit], bound) if sign > 0 else max(side[unit], bound)
            found[which][number] = (lower, upper)
    return found
