"""A data set in a few numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from morl.data.dataset import Dataset
from morl.errors import DataError


def summary_of(data: Dataset, gamma: float | None = None) -> dict[str, Any]:
    """Sum up a data set; every file is read and checked.

    Args:
        data: Which.
        gamma: Discount of the returns; None for that of the run that recorded them, or 1.

    Returns:
        ``env``, ``episodes``, ``steps``, ``longest``, ``terminated`` (episodes), ``weights`` (episodes with recorded ones),
        ``policies`` (different ones), ``gamma``, ``front`` (returns that no other dominates), ``recorded_by``; and under
        ``objectives`` of each its ``unit`` and the ``lowest``, ``mean`` and ``highest`` return.

    Raises:
        DataError: It is damaged, or has no episodes.
    """
    if not len(data):
        raise DataError(f"{data!r} has no finished episode")
    header, rows = data.header, data.all
    gamma = (1.0 if header.gamma is None else header.gamma) if gamma is None else gamma
    returns = data.returns(gamma)
    return {
        "env": header.env_id,
        "episodes": len(data),
        "steps": data.num_steps,
        "longest": int(rows.lengths.max()),
        "terminated": int(rows.terminated.sum()),
        "weights": int((~np.isnan(rows.weights).any(1)).sum()),
        "policies": len(set(rows.policies.tolist())),
        "gamma": gamma,
        "front": len(data.front(gamma)),
        "objectives": {
            name: {"unit": unit, "lowest": column.min(), "mean": column.mean(), "highest": column.max()}
            for name, unit, column in zip(header.objectives, header.units, returns.T, strict=True)
        },
        "recorded_by": dict(header.recorded_by),
    }
