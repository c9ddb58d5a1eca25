"""What the training of each member adds to the hypervolume of the population."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from morl.indicators import hypervolume

Array = npt.NDArray[np.float64]

MARGIN = 0.1
"""How far below the worst value of each objective volume is measured from, in units of the objective's range."""


def hypervolume_growth(before: Array, after: Array) -> Array:
    """How the hypervolume of a population changes if one member's value becomes its new one and the others keep theirs.

    Objectives are measured in units of their range over both, from a tenth of it below the worst value, so that neither the
    objectives' units nor a reference point count.

    Args:
        before: Values of the members, ``(n, m)``.
        after: Values of the same members later, ``(n, m)``.

    Returns:
        ``(n,)``, unitless; negative for one whose new value serves the population less.

    Example:
        >>> hypervolume_growth(np.array([[0.0, 1.0], [0.5, 0.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])).round(3).tolist()
        [0.0, 0.05]
    """
    both = np.concatenate([before, after])
    worst, span = both.min(0), np.ptp(both, axis=0)
    span = np.where(span > 0, span, 1.0)
    old, new = ((values - worst) / span for values in (before, after))
    point = np.full(old.shape[1], -MARGIN)
    whole = hypervolume(old, point)
    grown = np.zeros(len(old))
    for i in np.flatnonzero((old != new).any(1)):
        changed = old.copy()
        changed[i] = new[i]
        grown[i] = hypervolume(changed, point) - whole
    return grown
