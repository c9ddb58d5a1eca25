"""Neighbourhoods: which members a member cooperates with, one structure per file."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from morl.cooperation.neighbourhood.everyone import Everyone
from morl.cooperation.neighbourhood.k_nearest import KNearest
from morl.cooperation.neighbourhood.no_neighbours import NoNeighbours
from morl.cooperation.neighbourhood.positions import Measure


@runtime_checkable
class Neighbourhood(Protocol):
    """A pure function from where members are to their neighbours; implementations are frozen dataclasses.

    Where they are is a matter of weights, unless the neighbourhood is :class:`Measured`.
    """

    def __call__(self, positions: npt.NDArray[np.float64], /) -> npt.NDArray[np.int64]:
        """Find every member's neighbours.

        Args:
            positions: ``(n, d)``; ``d`` is the number of objectives for weights and values.

        Returns:
            Indices ``(n, k)``, nearest first; never the member itself.

        Raises:
            ConfigurationError: There are not enough members.
        """
        ...


@runtime_checkable
class Measured(Protocol):
    """A neighbourhood that says what is near."""

    @property
    def by(self) -> Measure:
        """Weights, values or parameters."""
        ...


__all__ = ["Everyone", "KNearest", "Measure", "Measured", "Neighbourhood", "NoNeighbours"]
