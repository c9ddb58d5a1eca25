"""Returns in units of their range."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_DIGITS = 9
"""What differs less than this many digits of the range is equal: sums of discounted rewards are rounded."""


def in_units(returns: Array, low: Array, high: Array) -> Array:
    """Shift and scale returns so that each objective's range is 0 to 1.

    Args:
        returns: ``(p, m)``, return units.
        low: Of each objective, ``(m,)``.
        high: Of each objective, ``(m,)``; an objective without a range is only shifted.

    Returns:
        ``(p, m)``, rounded.
    """
    span = high - low
    scaled: Array = np.round((returns - low) / np.where(span > 0, span, 1.0), _DIGITS)
    return scaled
