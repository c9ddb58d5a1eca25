r"""The partition formulation: between big-M and the convex hull of a unit.

The inputs of a unit are split into groups with partial sums :math:`s_i = \sum_{j \in S_i} w_j x_j \in [L_i, U_i]`, and each
sum into the part :math:`z_i` that counts while the unit is on, and the rest:

.. math::
    \sum_i (s_i - z_i) + (1 - z) c \le 0, \qquad h = \sum_i z_i + z c \ge 0, \qquad
    (1 - z) L_i \le s_i - z_i \le (1 - z) U_i, \quad z L_i \le z_i \le z U_i

One group is big-M, one group per input the convex hull over a box. Groups collect inputs of similar weight.

Source:
    Tsay, Kronqvist, Thebelt, Misener, Partition-based formulations for mixed-integer optimization of trained ReLU neural
    networks, NeurIPS 2021, eq. 6 to 9. Deviations: the bounds of partial sums know the action polytope.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from morl.mip.bounds.interval import LayerBounds, widened
from morl.mip.folded import Layer
from morl.mip.polytope import ActionPolytope
from morl.mip.program import Index, ProgramBuilder, Units

GROUPS = 2
"""Groups per unit; the source advises few."""


def partition(
    builder: ProgramBuilder,
    layer: Layer,
    hidden: Index,
    actions: Index,
    bounds: LayerBounds,
    hidden_bounds: LayerBounds,
    sinking: npt.NDArray[np.bool_],
    polytope: ActionPolytope,
) -> Units:
    """Write the units of a layer; arguments as for :func:`morl.mip.formulations.big_m.big_m`, of which all are used."""
    lower, upper = bounds
    size = len(lower)
    weights = np.concatenate([layer.recurrent, layer.direct], axis=1)
    member = _groups(weights)
    zeros = np.zeros(size)
    h = builder.add_variables(zeros, np.maximum(upper, 0.0), np.zeros(size, np.bool_))
    z = builder.add_variables((lower >= 0).astype(float), (upper > 0).astype(float), ~sinking)
    columns = np.concatenate([hidden, actions])
    # sum_i (s_i - z_i) - c z <= -c, and h = sum_i z_i + c z
    off = builder.rows(np.full(size, -np.inf), -layer.constant)
    on = builder.rows(zeros, zeros)
    builder.block(off, columns, weights)
    builder.entries(off, z, -layer.constant)
    builder.entries(on, h, 1.0)
    builder.entries(on, z, -layer.constant)
    width = layer.recurrent.shape[1]
    for group in range(GROUPS):
        part = np.where(member == group, weights, 0.0)
        low, high = widened((-_largest(-part, width, hidden_bounds, polytope), _largest(part, width, hidden_bounds, polytope)))
        share = builder.add_variables(np.minimum(low, 0.0), np.maximum(high, 0.0), np.zeros(size, np.bool_))
        builder.entries(off, share, -1.0)
        builder.entries(on, share, -1.0)
        for side, sums in ((high, (-np.inf, 0.0)), (low, (0.0, np.inf))):
            rest = builder.rows(*(side + limit for limit in sums))
            builder.block(rest, columns, part)
            builder.entries(rest, share, -1.0)
            builder.entries(rest, z, side)
            counted = builder.rows(*(zeros + limit for limit in sums))
            builder.entries(counted, share, 1.0)
            builder.entries(counted, z, -side)
    return Units(h, z)


def _groups(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Group of each input of each unit, ``(h, inputs)``: equally many in each, by weight."""
    rank = np.argsort(np.argsort(weights, axis=1), axis=1)
    return np.asarray(rank * GROUPS // max(weights.shape[1], 1))


def _largest(
    part: npt.NDArray[np.float64], width: int, hidden_bounds: LayerBounds, polytope: ActionPolytope
) -> npt.NDArray[np.float64]:
    """Upper bounds of partial sums, ``(h,)``."""
    low, high = hidden_bounds
    inner = part[:, :width]
    found: npt.NDArray[np.float64] = np.maximum(inner, 0.0) @ high + np.minimum(inner, 0.0) @ low
    return found + polytope.support(part[:, width:])
