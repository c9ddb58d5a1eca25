r"""The big-M formulation: one binary per unit that can be on or off.

A pre-activation :math:`p \in [l, u]` is split into what passes and what is cut off:

.. math:: h - g = p, \quad 0 \le h \le u z, \quad 0 \le g \le -l (1 - z), \quad z \in \{0, 1\}

Units with :math:`u \le 0` or :math:`l \ge 0` have their binary fixed, so that presolve removes them. Where the objective only
ever gains from a smaller :math:`h`, the binary may be any number: such a unit sinks to :math:`\max(0, p)` by itself.

Source:
    Fischetti and Jo, Deep neural networks and mixed integer linear optimization, 2018; equivalent to the form of Tjeng et al.
    2019.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from morl.mip.bounds.interval import LayerBounds
from morl.mip.folded import Layer
from morl.mip.polytope import ActionPolytope
from morl.mip.program import Index, ProgramBuilder, Units


def big_m(
    builder: ProgramBuilder,
    layer: Layer,
    hidden: Index,
    actions: Index,
    bounds: LayerBounds,
    _hidden_bounds: LayerBounds,
    sinking: npt.NDArray[np.bool_],
    _polytope: ActionPolytope,
) -> Units:
    """Write the units of a layer.

    Args:
        builder: The program so far.
        layer: ``h`` units.
        hidden: Columns of the layer before.
        actions: Columns of the action.
        bounds: Of the pre-activations.
        _hidden_bounds: Of the layer before; not used.
        sinking: Units whose output the objective never gains from, ``(h,)``.
        _polytope: Not used.

    Returns:
        Columns of the new units.
    """
    lower, upper = bounds
    size = len(lower)
    passes, cut = np.maximum(upper, 0.0), np.maximum(-lower, 0.0)
    zeros = np.zeros(size)
    h = builder.add_variables(zeros, passes, np.zeros(size, np.bool_))
    g = builder.add_variables(zeros, cut, np.zeros(size, np.bool_))
    z = builder.add_variables((lower >= 0).astype(float), (upper > 0).astype(float), ~sinking)
    split = builder.rows(layer.constant, layer.constant)
    builder.entries(split, h, 1.0)
    builder.entries(split, g, -1.0)
    builder.block(split, hidden, -layer.recurrent)
    builder.block(split, actions, -layer.direct)
    # Where nothing passes, or is cut off, the bounds say so; an entry of zero would change the pattern of the program.
    passes, cut = np.where(passes > 0, passes, 1.0), np.where(cut > 0, cut, 1.0)
    on = builder.rows(np.full(size, -np.inf), zeros)
    builder.entries(on, h, 1.0)
    builder.entries(on, z, -passes)
    off = builder.rows(np.full(size, -np.inf), cut)
    builder.entries(off, g, 1.0)
    builder.entries(off, z, cut)
    return Units(h, z)
