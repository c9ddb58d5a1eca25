"""Neighbourhoods: which members a member cooperates with, one structure per file."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from morl.cooperation.neighbourhood.k_nearest import KNearest


@runtime_checkable
class Neighbourhood(Protocol):
    """A pure function from the members' weights to their neighbours; implementations are frozen dataclasses."""

    def __call__(self, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Find every member's neighbours.

        Args:
            weights: ``(n, m)``.

        Returns:
            Indices ``(n, k)``, nearest first; never the member itself.

        Raises:
            ConfigurationError: There are not enough members.
        """
        ...


__all__ = ["KNearest", "Neighbourhood"]
