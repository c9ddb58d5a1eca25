"""What a population's utilities are measured by: the ideal point and the unit of each objective, as the archive shows them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from morl.scalarizations import Scalarization
from morl.task import Utility


def first_ideal_point(scalarization: Scalarization, given: str | tuple[float, ...], weights: Tensor) -> Tensor | None:
    """The ideal point before anything is known.

    Args:
        scalarization: Says whether it needs one.
        given: In return units, or ``running``: then it starts at the origin and moves before any training.
        weights: Of the members, ``(n, m)``.

    Returns:
        ``(m,)`` like the weights; None where none is needed.
    """
    if not scalarization.needs_ideal_point:
        return None
    return weights.new_zeros(weights.shape[-1]) if isinstance(given, str) else weights.new_tensor(given)


def moved_reference(utility: Utility, front: npt.NDArray[np.float64], *, rescales: bool, margin: float | None) -> Utility:
    """Move the ideal point and the unit of each objective.

    Points of the members' own, ``(n, m)``, are a weight adaptation's business and stay.

    Args:
        utility: Of the members now.
        front: Values of the archive, ``(p >= 1, m)``, return units.
        rescales: Whether the unit of an objective becomes its range on the front.
        margin: By how many units the ideal point lies above the best value of each objective; None where it is given.

    Returns:
        The utility; the same object where nothing moves.
    """
    device, scale = utility.weights.device, np.ones(front.shape[1])
    if rescales:
        spread = np.ptp(front, axis=0)
        scale = np.where(spread > 1e-8, spread, 1.0)
        utility = replace(utility, scale=torch.as_tensor(scale, dtype=torch.float32, device=device))
    if utility.ideal_point is not None and utility.ideal_point.dim() == 1 and margin is not None:
        ideal = front.max(0) + margin * scale
        utility = replace(utility, ideal_point=torch.as_tensor(ideal, dtype=torch.float32, device=device))
    return utility
