"""The one place that tells moocore that larger is better, and that checks what goes in."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.arrays import read_floats
from morl.errors import ConfigurationError, ShapeError
from morl.functional.dominance import checked_values


def checked_point(reference_point: Any, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return a reference point as float64 after checking it against values ``(p, m)``.

    Raises:
        ShapeError: Its length is not the number of objectives.
        ConfigurationError: It holds NaN or infinity.
    """
    try:
        point = read_floats("reference_point", reference_point, f"one number per objective, ({values.shape[1]},)")
    except ValueError as error:
        raise ShapeError(str(error)) from None
    if point.shape != (values.shape[1],):
        raise ShapeError(
            f"reference_point has shape {point.shape} but values has shape {values.shape}: "
            f"give one number per objective, ({values.shape[1]},)"
        )
    if not np.isfinite(point).all():
        raise ConfigurationError(f"reference_point is {point.tolist()}; expected finite numbers")
    return point


def checked_pair(values: Any, other: Any, name: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return two sets ``(p, m)`` and ``(q, m)`` as float64 after checking them; the second must not be empty.

    Raises:
        ShapeError: They disagree about the number of objectives, or the second is empty.
        ConfigurationError: One holds NaN or infinity.
    """
    values, other = checked_values(values), checked_values(other, name)
    if values.shape[1] != other.shape[1] or not len(other):
        raise ShapeError(
            f"values has shape {values.shape} but {name} has shape {other.shape}: expected (q >= 1, {values.shape[1]})"
        )
    return values, other


def hypervolume_contributions(values: npt.NDArray[np.float64], reference_point: Any) -> npt.NDArray[np.float64]:
    """Hypervolume that each point alone adds to the set, exactly.

    Args:
        values: ``(p >= 1, m >= 2)``, non-dominated; at most 31 objectives, and the time grows exponentially with them
            (``morl.indicators.volume``).
        reference_point: ``(m,)``, return units.

    Returns:
        ``(p,)``, product of the objectives' units.

    Raises:
        ShapeError: ``reference_point`` has another length than the values.
        ConfigurationError: Something is not finite.
    """
    import moocore

    values = checked_values(values)
    return np.asarray(moocore.hv_contributions(values, checked_point(reference_point, values), maximise=True), dtype=np.float64)
