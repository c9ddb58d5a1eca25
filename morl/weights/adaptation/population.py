"""A population as a value: what the next one is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from morl.errors import ShapeError

Array = npt.NDArray[np.float64]

Memory: TypeAlias = Mapping[str, Array]
"""What a rule wants to be told at the next exchange, by name."""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What an adaptation knows of what is left to gain."""

    lower: float
    """What has been found for the weights that may gain most, their own utility, return units."""
    upper: float
    """What there may be for these weights at most, as far as can be told; infinite where nothing can."""
    is_quiet: bool
    """Whether there was nothing to do: no weights may gain more, and no member has just improved."""
    about: str = ""
    """What lies between the two, and on what condition, in words."""


Attained: TypeAlias = Callable[[Array], Array]
"""What one network for all weights returns at some: ``(c, m) -> (c, m)``, by episodes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """The next population: ``n'`` members, each a copy of a present one.

    Raises:
        ShapeError: The lengths disagree, or nobody is left.
    """

    weights: Array
    """Preferences, ``(n', m)``, rows on the simplex."""
    parents: Sequence[int]
    """Index of the present member that each one copies, ``(n',)``."""
    fresh: Sequence[bool]
    """Whether it is a new individual, ``(n',)``; of the copies of one member all but one must be."""
    reference_points: Array | None = None
    """Point that each member's utility is measured from, ``(n', m)``, return units; None leaves that to MORL/D."""
    outlook: Outlook | None = None
    """What is left to gain, if the rule can tell; it becomes the certificate of the run."""
    memory: Memory | None = None
    """What a rule with a memory is told at the next exchange."""

    def __post_init__(self) -> None:
        if not len(self.weights) == len(self.parents) == len(self.fresh) or not len(self.weights):
            raise ShapeError(
                f"a population of {len(self.weights)} weights, {len(self.parents)} parents and {len(self.fresh)} flags; "
                "expected one of each per member, and at least one member"
            )
        if self.reference_points is not None and self.reference_points.shape != self.weights.shape:
            raise ShapeError(f"reference_points has shape {self.reference_points.shape}; expected {self.weights.shape}")


def checked(weights: npt.ArrayLike, values: npt.ArrayLike, archive_values: npt.ArrayLike) -> tuple[Array, Array, Array]:
    """The arguments of a rule in double precision.

    Args:
        weights: ``(n, m)``.
        values: ``(n, m)``.
        archive_values: ``(a, m)``.

    Raises:
        ShapeError: The shapes disagree.
    """
    w, v, archive = (np.asarray(x, dtype=np.float64) for x in (weights, values, archive_values))
    if w.ndim != 2 or v.shape != w.shape or archive.ndim != 2 or archive.shape[1] != w.shape[1]:
        raise ShapeError(
            f"weights {w.shape}, values {v.shape} and archive_values {archive.shape} disagree; "
            "expected (n, m), (n, m) and (a, m)"
        )
    return w, v, archive
