"""A population as a value: what the next one is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from morl.errors import ShapeError


@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """The next population: ``n'`` members, each a copy of a present one.

    Raises:
        ShapeError: The lengths disagree, or nobody is left.
    """

    weights: npt.NDArray[np.float64]
    """Preferences, ``(n', m)``, rows on the simplex."""
    parents: Sequence[int]
    """Index of the present member that each one copies, ``(n',)``."""
    fresh: Sequence[bool]
    """Whether it is a new individual, ``(n',)``; of the copies of one member all but one must be."""

    def __post_init__(self) -> None:
        if not len(self.weights) == len(self.parents) == len(self.fresh) or not len(self.weights):
            raise ShapeError(
                f"a population of {len(self.weights)} weights, {len(self.parents)} parents and {len(self.fresh)} flags; "
                "expected one of each per member, and at least one member"
            )
